/* Environments: NAME=value lists where a later entry replaces an earlier one. */
#ifndef WRENN_ENVIRONMENT_H
#define WRENN_ENVIRONMENT_H

#include "users.h"
#include "wire.h"

struct environment {
  char **entries; /* NAME=value */
  size_t count;
};

/* What every process of a user has, unless something later replaces it. */
bool environment_of_user(struct environment *environment, const struct user *user);
bool environment_set(struct environment *environment, const char *name, const char *value);
/* Reads a list of (name, value) pairs into it; false when it does not parse or a name is empty or has '='. */
bool environment_read(struct environment *environment, struct reader *r);
bool environment_merge(struct environment *environment, const struct environment *over);
const char *environment_get(const struct environment *environment, const char *name);
/* A NULL-terminated array for execve; the strings stay the environment's. */
char **environment_array(const struct environment *environment);
void environment_free(struct environment *environment);

#endif
