#define _GNU_SOURCE
#include "runtime-directory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Set once at the start, before there are workers; outside a guest none are made. */
static const char *parent;

void runtime_directories_use(const char *root) { parent = root; }

bool runtime_directory(const struct user *user, char *path, size_t size) {
  struct stat st;
  if (!parent || snprintf(path, size, "%s/%u", parent, user->uid) >= (int)size) return false;
  if (mkdir(path, 0700) == 0) {
    /* Only root writes to the parent, so this is the directory that was just made. */
    if (lchown(path, user->uid, user->gid) == 0) return true;
    (void)rmdir(path);
    return false;
  }
  return errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == user->uid;
}
