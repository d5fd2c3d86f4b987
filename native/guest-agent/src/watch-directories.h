/* The directories of one watch, as a tree: which watch descriptor stands for which path below the root. */
#ifndef WRENN_WATCH_DIRECTORIES_H
#define WRENN_WATCH_DIRECTORIES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "paths.h"

/* Each costs about a kilobyte of the kernel, and little here. */
enum { DIRECTORY_LIMIT = 131072 };

struct watched {
  int wd;
  dev_t device;
  ino_t inode;
  /* Something in it was not looked at because its path led elsewhere: it is on the move. */
  bool missed;
  struct watched *parent; /* NULL: the root */
  struct watched *children;
  struct watched *next, *previous; /* of the parent's children */
  struct watched *next_by_wd, *next_by_name;
  char name[];
};

struct directories {
  struct watched *root;
  struct watched **by_wd, **by_name; /* hash tables */
  size_t buckets;
  size_t count;
};

/* NULL when memory is short or there are too many. */
struct watched *directories_add(struct directories *d, int wd, struct watched *parent, const char *name);
struct watched *directories_find(const struct directories *d, int wd);
struct watched *directories_child(const struct directories *d, const struct watched *parent, const char *name);
/* Gives a directory another place, with what is below it. NULL, and nothing done, when memory is short or the place is below itself. */
struct watched *directories_move(struct directories *d, struct watched *directory, struct watched *parent, const char *name);
/* Stops watching a directory and those below it. */
void directories_drop(struct directories *d, int inotify, struct watched *directory);
/* Path relative to the root of a name in a directory, or of the directory itself for ""; false when it is too long. */
bool directories_path(const struct watched *directory, const char *name, char path[PATH_LIMIT + 1]);
/* How many directories are above one. */
size_t directories_depth(const struct watched *directory);
void directories_free(struct directories *d);

#endif
