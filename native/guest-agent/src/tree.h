/* Work on whole directory trees. Links inside are never followed. Each returns 0 or an errno. */
#ifndef WRENN_TREE_H
#define WRENN_TREE_H

#include <stdbool.h>
#include <sys/types.h>

int tree_remove(const char *path);
int tree_copy(const char *source, const char *destination, bool recursive);
/* Renames, or copies and removes across file systems. */
int tree_move(const char *source, const char *destination);
int tree_chmod(const char *path, mode_t mode);

#endif
