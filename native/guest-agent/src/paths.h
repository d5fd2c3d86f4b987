/* Paths as the host gives them: absolute, ~-prefixed, or relative to the user's home. */
#ifndef WRENN_PATHS_H
#define WRENN_PATHS_H

#include "users.h"

enum { PATH_LIMIT = 4096 };

/* Absolute path in `out`; false when it would be too long. */
bool path_resolve(const struct user *user, const char *path, char out[PATH_LIMIT + 1]);
/* Makes the directories above `path`; errno of the first that cannot be made, 0 otherwise. */
int path_make_parents(const char *path);

#endif
