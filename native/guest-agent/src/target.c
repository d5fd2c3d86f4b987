#define _GNU_SOURCE
#include "target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many as the kernel follows. */
enum { LINKS = 40 };

/* Puts the target of the link at `path` in its place. */
static int follow(char path[PATH_LIMIT + 1]) {
  char target[PATH_LIMIT + 1];
  char next[PATH_LIMIT + 1];
  ssize_t n = readlink(path, target, sizeof target);
  if (n < 0) return errno;
  if (n > PATH_LIMIT) return ENAMETOOLONG;
  target[n] = 0;
  int above = *target == '/' ? 0 : (int)(strrchr(path, '/') - path) + 1;
  int length = snprintf(next, sizeof next, "%.*s%s", above, path, target);
  if (length < 0 || length > PATH_LIMIT) return ENAMETOOLONG;
  memcpy(path, next, (size_t)length + 1);
  return 0;
}

int target_resolve(char path[PATH_LIMIT + 1]) {
  char final[PATH_MAX];
  struct stat st;
  /* The kernel has the first word about links: it may follow none that others have put into a shared directory. */
  if (stat(path, &st) && errno == EACCES) return EACCES;
  for (int links = 0; !realpath(path, final); links++) {
    if (lstat(path, &st) || !S_ISLNK(st.st_mode)) return 0;
    int problem = links < LINKS ? follow(path) : ELOOP;
    if (problem) return problem;
  }
  if (strlen(final) > PATH_LIMIT) return ENAMETOOLONG;
  memcpy(path, final, strlen(final) + 1);
  return 0;
}
