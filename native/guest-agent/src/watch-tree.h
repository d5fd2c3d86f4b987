/* A watch of a directory, and with `recursive` of those below it. */
#ifndef WRENN_WATCH_TREE_H
#define WRENN_WATCH_TREE_H

#include "watch-directories.h"
#include "watch-moves.h"
#include "watch-report.h"

struct watch_tree {
  int inotify;
  bool recursive;
  bool finished; /* what was watched is gone */
  bool rebuild;  /* what is where is not known any longer */
  bool missed;   /* some directory may have missed something */
  const char *root;
  dev_t device;
  ino_t inode;
  struct directories directories;
  struct moves moves;
  struct watch_report *report;
};

/* Watches the root with what is below it; 0 or an errno: ENOSPC when there is no watch left. */
int watch_tree_open(struct watch_tree *tree);
/* Reads what the kernel has to report, for little more than a moment. */
void watch_tree_read(struct watch_tree *tree, size_t enough);
void watch_tree_free(struct watch_tree *tree);

#endif
