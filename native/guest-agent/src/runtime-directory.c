#define _GNU_SOURCE
#include "runtime-directory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of ordinary users in Debian; services have what they need elsewhere. More than `MADE` are made when they are needed. */
enum { FIRST_UID = 1000, LAST_UID = 59999, MADE = 64 };

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

static bool make_one(const struct user *user, void *context) {
  char path[64];
  int *made = context;
  if (user->uid != 0 && (user->uid < FIRST_UID || user->uid > LAST_UID)) return false;
  if (runtime_directory(user, path, sizeof path)) ++*made;
  return *made >= MADE;
}

void runtime_directories_make(void) {
  int made = 0;
  users_visit(make_one, &made);
}
