/* Copies a file or a tree to where it is to be: the part that copies and moves across file systems share. */
#ifndef WRENN_TREE_COPY_H
#define WRENN_TREE_COPY_H

#include <sys/stat.h>

#include "tree.h"

static inline bool is_same_file(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

struct copy_request {
  const struct tree_call *call;
  const struct place *source;
  const struct place *destination;
  struct tree_options options;
  bool moves; /* the source is removed afterwards */
};

/* 0 or an errno, after which nothing is left of what was made. The caller has made sure that neither is inside the other. */
int copy_tree(const struct copy_request *request);

#endif
