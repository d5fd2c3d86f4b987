/* The directories of one watch: which watch descriptor stands for which path below the root. */
#ifndef WRENN_WATCH_DIRECTORIES_H
#define WRENN_WATCH_DIRECTORIES_H

#include <stdbool.h>
#include <stddef.h>

enum { DIRECTORY_LIMIT = 8192 };

struct directory {
  int wd;
  char *path; /* relative to the root; "" is the root */
};

struct directories {
  struct directory *items; /* by rising watch descriptor */
  size_t count;
};

bool directories_add(struct directories *d, int wd, const char *path);
const char *directories_find(const struct directories *d, int wd);
void directories_remove(struct directories *d, int wd);
/* Stops watching a directory that left the tree, and those below it. */
void directories_remove_below(struct directories *d, int inotify, const char *path);
/* Gives a directory, and those below it, their new path; false when memory is short. */
bool directories_rename(struct directories *d, const char *from, const char *to);
void directories_free(struct directories *d);
/* Absolute path of a relative one; false when it would be too long. */
bool directories_path(const char *root, const char *relative, char path[4097]);
/* Calls `each` for the content of a directory: for its directories, and with `announce` for all. */
void directories_scan(const char *path, const char *relative, bool announce, void (*each)(void *context, const char *relative, bool directory, bool announce), void *context);

#endif
