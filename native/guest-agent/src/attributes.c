#include "attributes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { XATTR_LIMIT = 65536 };

#define ACCESS_LIST "system.posix_acl_access"

bool attributes_on(const char *path) {
  ssize_t length = listxattr(path, NULL, 0);
  return length < 0 ? errno != EOPNOTSUPP : length > 0;
}

static int problem_of(int problem) { return problem == ENOSPC || problem == EDQUOT || problem == ENOMEM || problem == EIO ? problem : EPERM; }

/* Of the kernel, not of the file: labels are given by policy, and writing takes capabilities away. */
static bool is_kept(const char *name) { return strncmp(name, "security.", strlen("security.")) != 0; }

static int take_one(const char *path, const char *to, const char *name, char *value) {
  ssize_t length = getxattr(path, name, value, XATTR_LIMIT);
  /* It vanished meanwhile. */
  if (length < 0 && errno == ENODATA) return 0;
  return length < 0 || setxattr(to, name, value, (size_t)length, 0) ? problem_of(errno) : 0;
}

int attributes_take(const char *path, int to) {
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", to);
  char *names = malloc(2 * (size_t)XATTR_LIMIT);
  if (!names) return ENOMEM;
  char *value = names + XATTR_LIMIT;
  ssize_t length = listxattr(path, names, XATTR_LIMIT);
  int problem = length < 0 && errno != EOPNOTSUPP ? EPERM : 0;
  bool listed = false;
  for (const char *name = names; !problem && length > 0 && name < names + length; name += strlen(name) + 1) {
    listed = listed || strcmp(name, ACCESS_LIST) == 0;
    if (is_kept(name)) problem = take_one(path, self, name, value);
  }
  free(names);
  /* A directory may have handed its default list on. */
  if (!problem && !listed && removexattr(self, ACCESS_LIST) && errno != ENODATA && errno != EOPNOTSUPP) problem = problem_of(errno);
  return problem;
}
