/* Paths as the host gives them: absolute, ~-prefixed, or relative to the user's home. */
#ifndef WRENN_PATHS_H
#define WRENN_PATHS_H

#include <stdint.h>

#include "users.h"

enum { PATH_LIMIT = 4096 };

/* Absolute path in `out`; false when it would be too long. */
bool path_resolve(const struct user *user, const char *path, char out[PATH_LIMIT + 1]);
/* The directories that a call made above its path, by where their names end in it. */
struct parents {
  uint8_t made[PATH_LIMIT / 8 + 1];
};

/* Makes the directories above `path`; errno of the first that cannot be made, after which none is left, 0 otherwise. */
int parents_make(const char *path, struct parents *parents);
/* Removes what parents_make made, as far as it is empty. */
void parents_remove(const char *path, const struct parents *parents);

#endif
