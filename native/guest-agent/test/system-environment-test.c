/* Lines of environment(5) as pam_env reads them, and files that are none. */
#define _GNU_SOURCE
#include "../src/system-environment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/environment.h"
#include "check.h"

static void sets(const char *text, const char *name, const char *value) {
  char line[256];
  char *found_name;
  char *found_value;
  snprintf(line, sizeof line, "%s", text);
  CHECK(system_environment_parse(line, &found_name, &found_value));
  CHECK(strcmp(found_name, name) == 0 && strcmp(found_value, value) == 0);
}

static void whole_lines(void) {
  sets("LANG=de_DE.UTF-8\n", "LANG", "de_DE.UTF-8");
  sets("  export A=\"b c\"  # why\n", "A", "b c");
  sets("A='b'", "A", "b");
  sets("A='", "A", "");
  sets("A=\"b'", "A", "b'");
  sets("A=", "A", "");
  sets("A=b=c", "A", "b=c");
  sets("_a9=x\r\n", "_a9", "x");
}

static void other_lines(void) {
  static const char *const lines[] = {"", "\n", "# A=b", "A", "=b", "A B=c", "9A=b", "A-B=c", "export", "export =b", "#\0A=b", "\xc3\xa9=1"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    char line[64];
    char *name;
    char *value;
    snprintf(line, sizeof line, "%s", lines[i]);
    CHECK(!system_environment_parse(line, &name, &value));
  }
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void expect(const char *name, const char *value) {
  struct environment environment = {0};
  struct user user = {.name = "wren", .home = "/home/wren", .shell = "/bin/sh"};
  CHECK(environment_of_user(&environment, &user));
  const char *found = environment_get(&environment, name);
  if (!(value ? found && strcmp(found, value) == 0 : !found)) fprintf(stderr, "%s is %s\n", name, found ? found : "not there");
  CHECK(value ? found && strcmp(found, value) == 0 : !found);
  environment_free(&environment);
}

static void files(void) {
  char directory[] = "/tmp/wrenn-environment-XXXXXX";
  CHECK(mkdtemp(directory));
  expect("LANG", "C.UTF-8");
  system_environment_use(directory);
  expect("LANG", "C.UTF-8");
  CHECK(chdir(directory) == 0 && mkdir("default", 0755) == 0);
  write_file("environment", "http_proxy=http://proxy:3128\nLANG=C\nHOME=/nowhere\nnonsense\nLAST=1");
  write_file("default/locale", "LANG=\"en_GB.UTF-8\"\n");
  expect("http_proxy", "http://proxy:3128");
  expect("LAST", "1");
  expect("LANG", "en_GB.UTF-8");
  expect("HOME", "/home/wren");
  /* A line that is too long is skipped whole, and the next one counts. */
  char *giant = malloc(20010);
  CHECK(giant);
  memset(giant, 'A', 20000);
  memcpy(giant + 9000, "B=1", 3);
  memcpy(giant + 20000, "\nC=2\n", 6);
  write_file("environment", giant);
  expect("C", "2");
  expect("B", NULL);
  free(giant);
  /* Of many lines the first count. */
  FILE *file = fopen("environment", "w");
  CHECK(file);
  for (int i = 0; i < 5000; i++) fprintf(file, "V%d=1\n", i);
  CHECK(fclose(file) == 0);
  expect("V255", "1");
  expect("V256", NULL);
  CHECK(unlink("environment") == 0 && mkfifo("environment", 0644) == 0);
  alarm(20);
  expect("LANG", "en_GB.UTF-8");
  CHECK(unlink("environment") == 0 && symlink("/dev/zero", "environment") == 0);
  expect("LANG", "en_GB.UTF-8");
  CHECK(unlink("environment") == 0 && unlink("default/locale") == 0 && rmdir("default") == 0 && rmdir(directory) == 0);
}

int main(void) {
  whole_lines();
  other_lines();
  files();
  return 0;
}
