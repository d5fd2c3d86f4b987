#define _GNU_SOURCE
#include "../src/run-directories.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int open_directory(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

static bool is_directory(const char *path, mode_t mode) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == mode;
}

static void copy(void) {
  int to = open_directory("to");
  run_directories_copy(open_directory("from"), to);
  CHECK(fcntl(to, F_GETFD) >= 0);
  close(to);
}

static void make(const char *path, mode_t mode) {
  CHECK(mkdir(path, 0700) == 0);
  CHECK(chmod(path, mode) == 0);
}

static void directories_have_modes_and_nothing_else_comes(void) {
  make("from/postgresql", 03775);
  make("from/a", 0755);
  make("from/a/b", 0750);
  make("to/lock", 0700);
  make("from/lock", 01777);
  CHECK(close(open("from/a/daemon.pid", O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0);
  CHECK(mkfifo("from/fifo", 0644) == 0);
  CHECK(symlink("a", "from/link") == 0);
  CHECK(symlink("/etc", "to/a") == 0);
  copy();
  CHECK(is_directory("to/postgresql", 03775));
  CHECK(is_directory("to/lock", 01777));
  /* A link in the way is not followed. */
  CHECK(access("/etc/b", F_OK) != 0);
  CHECK(unlink("to/a") == 0);
  copy();
  CHECK(is_directory("to/a/b", 0750));
  CHECK(access("to/a/daemon.pid", F_OK) != 0);
  CHECK(access("to/fifo", F_OK) != 0);
  CHECK(access("to/link", F_OK) != 0);
}

static void depth_and_count_are_bounded(void) {
  char path[400] = "from/deep";
  for (int depth = 0; depth < 40; depth++) {
    make(path, 0755);
    size_t length = (size_t)snprintf(NULL, 0, "%s", path);
    snprintf(path + length, sizeof path - length, "/d");
  }
  copy();
  CHECK(access("to/deep/d/d/d/d/d/d/d", F_OK) == 0);
  CHECK(access("to/deep/d/d/d/d/d/d/d/d", F_OK) != 0);
  make("from/many", 0755);
  for (int number = 0; number < 1500; number++) {
    snprintf(path, sizeof path, "from/many/%d", number);
    make(path, 0755);
  }
  copy();
  struct stat st;
  CHECK(stat("to/many", &st) == 0 && st.st_nlink <= 1002);
}

static void an_image_without_the_directory_has_none(void) {
  int to = open_directory("to");
  run_directories_copy(-1, to);
  close(to);
}

int main(void) {
  char directory[] = "/tmp/run-directories-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  CHECK(mkdir("from", 0755) == 0 && mkdir("to", 0755) == 0);
  directories_have_modes_and_nothing_else_comes();
  depth_and_count_are_bounded();
  an_image_without_the_directory_has_none();
  CHECK(chdir("/") == 0);
  char *remove[] = {"rm", "-rf", "--", directory, NULL};
  execv("/bin/rm", remove);
  return 1;
}
