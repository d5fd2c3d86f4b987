#define _GNU_SOURCE
#include "temporary.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { DIGITS = 16 };

int temporary_draw(const char *kind, char name[TEMPORARY_SIZE]) {
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  snprintf(name, TEMPORARY_SIZE, TEMPORARY_PREFIX "%s-%016llx", kind, (unsigned long long)random);
  return 0;
}

int temporary_beside(const char *path, const char *kind, char name[PATH_LIMIT + 1]) {
  char last[TEMPORARY_SIZE];
  const char *slash = strrchr(path, '/');
  if (!slash) return EINVAL;
  int problem = temporary_draw(kind, last);
  if (problem) return problem;
  int n = snprintf(name, PATH_LIMIT + 1, "%.*s/%s", (int)(slash - path), path, last);
  if (n > 0 && n <= PATH_LIMIT) return 0;
  name[0] = 0;
  return ENAMETOOLONG;
}

/* The kind of a temporary name, which ends at a hyphen; NULL for every other name. */
static const char *kind_of(const char *path) {
  static const char prefix[] = TEMPORARY_PREFIX;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (strncmp(name, prefix, sizeof prefix - 1) != 0) return NULL;
  const char *kind = name + sizeof prefix - 1;
  size_t length = strspn(kind, "abcdefghijklmnopqrstuvwxyz");
  const char *digits = kind + length + 1;
  if (length == 0 || kind[length] != '-') return NULL;
  return strlen(digits) == DIGITS && strspn(digits, "0123456789abcdef") == DIGITS ? kind : NULL;
}

bool temporary_is(const char *path) { return kind_of(path) != NULL; }

bool temporary_is_kind(const char *path, const char *kind) {
  const char *found = kind_of(path);
  return found && strncmp(found, kind, strlen(kind)) == 0 && found[strlen(kind)] == '-';
}
