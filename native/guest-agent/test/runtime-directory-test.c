/* A user's runtime directory belongs to that user alone, and is no other thing that lies there. */
#define _GNU_SOURCE
#include "../src/runtime-directory.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

int main(void) {
  char parent[] = "/tmp/wrenn-run-XXXXXX";
  char path[64];
  char expected[64];
  char command[64];
  struct stat st;
  struct user user = {.uid = geteuid(), .gid = getegid()};
  CHECK(!runtime_directory(&user, path, sizeof path));
  CHECK(mkdtemp(parent));
  runtime_directories_use(parent);
  for (int again = 0; again < 2; again++) {
    CHECK(runtime_directory(&user, path, sizeof path));
    snprintf(expected, sizeof expected, "%s/%u", parent, user.uid);
    CHECK(strcmp(path, expected) == 0);
    CHECK(stat(path, &st) == 0 && st.st_mode == (S_IFDIR | 0700) && st.st_uid == user.uid);
  }
  user.uid = 4242;
  if (geteuid() == 0) {
    CHECK(runtime_directory(&user, path, sizeof path));
    CHECK(stat(path, &st) == 0 && st.st_uid == 4242);
    CHECK(chown(path, 0, 0) == 0 && !runtime_directory(&user, path, sizeof path));
  } else {
    CHECK(!runtime_directory(&user, path, sizeof path));
  }
  runtime_directories_make();
  snprintf(expected, sizeof expected, "%s/0", parent);
  if (geteuid() == 0) CHECK(stat(expected, &st) == 0 && st.st_mode == (S_IFDIR | 0700) && st.st_uid == 0);
  /* daemon(1) is no ordinary user. */
  snprintf(expected, sizeof expected, "%s/1", parent);
  CHECK(lstat(expected, &st) == -1);
  user.uid = 4243;
  snprintf(path, sizeof path, "%s/4243", parent);
  CHECK(symlink("/tmp", path) == 0 && !runtime_directory(&user, path, sizeof path));
  CHECK(!runtime_directory(&user, path, 4));
  snprintf(command, sizeof command, "rm -rf %s", parent);
  return system(command);
}
