#define _GNU_SOURCE
#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int parents_make(const char *path, struct parents *parents) {
  char copy[PATH_LIMIT + 1];
  snprintf(copy, sizeof copy, "%s", path);
  *parents = (struct parents){0};
  for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
    size_t length = (size_t)(at - copy);
    *at = 0;
    int problem = mkdir(copy, 0755) ? errno : 0;
    *at = '/';
    if (problem == 0) parents->made[length / 8] |= (uint8_t)(1u << length % 8);
    if (problem == 0 || problem == EEXIST) continue;
    parents_remove(path, parents);
    return problem;
  }
  return 0;
}

void parents_remove(const char *path, const struct parents *parents) {
  char copy[PATH_LIMIT + 1];
  snprintf(copy, sizeof copy, "%s", path);
  for (size_t length = strlen(copy); length > 0; length--) {
    if (!(parents->made[length / 8] >> length % 8 & 1)) continue;
    copy[length] = 0;
    (void)rmdir(copy);
  }
}
