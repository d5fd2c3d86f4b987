/* Files by which programs recognise the sandbox: exact values, replaced as a whole, and a report of what stands in the way. */
#define _GNU_SOURCE
#include "../src/sandbox-files.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int warnings;

static void count(void *context, const char *path, const char *problem) {
  CHECK(context == &warnings && strncmp(path, "e2b/.E2B_", 9) == 0 && *problem);
  warnings++;
}

static void has(const char *path, const char *expected) {
  char text[128];
  struct stat st;
  CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = read(fd, text, sizeof text);
  close(fd);
  CHECK(length == (ssize_t)strlen(expected) && memcmp(text, expected, (size_t)length) == 0);
}

static void write_files(const char *capsule, const char *template) { sandbox_files_write("e2b", capsule, template, count, &warnings); }

static void values_are_exact_and_those_of_the_last_restore(void) {
  write_files("cl-0123456789abcdefghijklmno", "acme/shop");
  has("e2b/.E2B_SANDBOX", "true");
  has("e2b/.E2B_SANDBOX_ID", "0123456789abcdefghijklmno");
  has("e2b/.E2B_TEMPLATE_ID", "acme/shop");
  write_files("cl-zzzzzzzzzzzzzzzzzzzzzzzzz", "minimal");
  has("e2b/.E2B_SANDBOX_ID", "zzzzzzzzzzzzzzzzzzzzzzzzz");
  has("e2b/.E2B_TEMPLATE_ID", "minimal");
  /* Only a capsule's own prefix is left out. */
  write_files("c", "");
  has("e2b/.E2B_SANDBOX_ID", "c");
  has("e2b/.E2B_TEMPLATE_ID", "");
  CHECK(warnings == 0);
}

static void links_are_replaced_and_not_followed(void) {
  CHECK(close(open("other", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0);
  CHECK(unlink("e2b/.E2B_SANDBOX_ID") == 0 && symlink("../other", "e2b/.E2B_SANDBOX_ID") == 0);
  CHECK(symlink("../other", "e2b/.E2B_TEMPLATE_ID.wrenn") == 0);
  write_files("cl-a", "b");
  has("e2b/.E2B_SANDBOX_ID", "a");
  has("e2b/.E2B_TEMPLATE_ID", "b");
  has("other", "");
  CHECK(warnings == 0);
}

static void what_stands_in_the_way_is_reported(void) {
  CHECK(unlink("e2b/.E2B_SANDBOX") == 0 && mkdir("e2b/.E2B_SANDBOX", 0755) == 0 && mkdir("e2b/.E2B_SANDBOX/x", 0755) == 0);
  write_files("cl-c", "d");
  CHECK(warnings == 1);
  has("e2b/.E2B_SANDBOX_ID", "c");
  CHECK(rename("e2b", "was") == 0 && close(open("e2b", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0);
  write_files("cl-c", "d");
  CHECK(warnings == 4);
  char deep[PATH_MAX + 1];
  memset(deep, 'x', PATH_MAX);
  deep[PATH_MAX] = 0;
  sandbox_files_write(deep, "cl-c", "d", count, &warnings);
  CHECK(warnings == 4);
}

int main(void) {
  char directory[] = "/tmp/sandbox-files-XXXXXX";
  (void)umask(022);
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  values_are_exact_and_those_of_the_last_restore();
  links_are_replaced_and_not_followed();
  what_stands_in_the_way_is_reported();
  CHECK(chdir("/") == 0);
  char *remove[] = {"rm", "-rf", "--", directory, NULL};
  execv("/bin/rm", remove);
  return 1;
}
