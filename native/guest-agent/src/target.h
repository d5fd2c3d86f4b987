/* What a path is about that is written to: links are followed to a file that need not be there. */
#ifndef WRENN_TARGET_H
#define WRENN_TARGET_H

#include "paths.h"

/* Follows the links of `path` in place, as open(2) with O_CREAT does; with the user's rights taken on by the caller. 0 or an errno. */
int target_resolve(char path[PATH_LIMIT + 1]);

#endif
