/* What the agent reads itself must not hold it up, whatever is at the path. */
#define _GNU_SOURCE
#include "../src/regular-file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { ALARM_SECONDS = 10 };

static char root[] = "/tmp/wrenn-regular-XXXXXX";

static void path_of(const char *name, char path[100]) { snprintf(path, 100, "%s/%s", root, name); }

static void only_regular_files_are_opened(void) {
  char path[100];
  char line[16];
  path_of("file", path);
  FILE *file = fopen(path, "w");
  CHECK(file && fputs("a line\n", file) > 0 && fclose(file) == 0);
  file = regular_file_open(path);
  CHECK(file && fgets(line, sizeof line, file) && strcmp(line, "a line\n") == 0 && fclose(file) == 0);
  file = regular_file_open("/proc/meminfo");
  CHECK(file && fgets(line, sizeof line, file) && fclose(file) == 0);
  path_of("fifo", path);
  CHECK(mkfifo(path, 0600) == 0);
  CHECK(!regular_file_open(path) && !regular_file_open("/dev/zero") && !regular_file_open(root) && !regular_file_open("/no/such/file"));
}

int main(void) {
  char path[100];
  CHECK(mkdtemp(root) != NULL);
  alarm(ALARM_SECONDS);
  only_regular_files_are_opened();
  path_of("file", path);
  CHECK(unlink(path) == 0);
  path_of("fifo", path);
  CHECK(unlink(path) == 0 && rmdir(root) == 0);
  return 0;
}
