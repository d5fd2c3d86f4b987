#define _GNU_SOURCE
#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool path_resolve(const struct user *user, const char *path, char out[PATH_LIMIT + 1]) {
  int n;
  if (*path == '/')
    n = snprintf(out, PATH_LIMIT + 1, "%s", path);
  else if (*path == 0 || strcmp(path, "~") == 0)
    n = snprintf(out, PATH_LIMIT + 1, "%s", user->home);
  else if (strncmp(path, "~/", 2) == 0)
    n = snprintf(out, PATH_LIMIT + 1, "%s/%s", user->home, path + 2);
  else
    n = snprintf(out, PATH_LIMIT + 1, "%s/%s", user->home, path);
  return n > 0 && n <= PATH_LIMIT;
}

int path_make_parents(const char *path) {
  char copy[PATH_LIMIT + 1];
  snprintf(copy, sizeof copy, "%s", path);
  for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
    *at = 0;
    if (mkdir(copy, 0755) && errno != EEXIST) return errno;
    *at = '/';
  }
  return 0;
}
