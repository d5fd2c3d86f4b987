/* Paths of any length below an open directory, and two records of them that a copy keeps. */
#ifndef WRENN_BELOW_H
#define WRENN_BELOW_H

#include <stdbool.h>
#include <sys/stat.h>

/* Opens the directory that holds the last component of a relative path, component by component, through no link; -1 with errno. */
int below_open(int root, const char *path, const char **last);

/* The first name of each file with several names, so that the others become links to it. */
struct link_map {
  void *tree;
};

/* NULL when this file has not been met. */
const char *link_map_find(const struct link_map *map, const struct stat *file);
bool link_map_add(struct link_map *map, const struct stat *file, const char *path);
void link_map_free(struct link_map *map);

/* What a call put into directories that were there before, to be taken out again if it fails. */
struct created {
  struct created *next;
  dev_t device;
  ino_t inode;
  char path[];
};

bool created_add(struct created **first, const struct stat *file, const char *path);
void created_free(struct created **first);

#endif
