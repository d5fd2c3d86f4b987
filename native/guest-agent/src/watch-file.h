/* A watch of a path that is a file: whatever file has that path at a time. */
#ifndef WRENN_WATCH_FILE_H
#define WRENN_WATCH_FILE_H

#include <sys/types.h>

#include "watch-report.h"

struct watch_file {
  int inotify;
  bool finished; /* the directory of the path is gone */
  const char *path;
  bool present;
  dev_t device;
  ino_t inode;
  int self; /* watch descriptors: of the file, and of the directories of its path and of what that leads to; -1: none */
  int directory;
  int target;
  int problem; /* why the file itself is not watched */
  struct watch_report *report;
};

/* 0 or an errno: ENOSPC when there is no watch left. */
int watch_file_open(struct watch_file *file);
/* Reads what the kernel has to report. */
void watch_file_read(struct watch_file *file, size_t enough);

#endif
