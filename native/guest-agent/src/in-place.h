/*
 * Content that is written into the file that has the name, as a shell's ">" does. Nobody who reads meanwhile sees one version,
 * but hard links, mounts, owner and attributes stay: the way for what no new file can stand in for.
 */
#ifndef WRENN_IN_PLACE_H
#define WRENN_IN_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

struct in_place {
  const char *path; /* without links */
  int content;      /* open for reading; all of it is written */
  bool durable;
  bool may_chmod;   /* the user owns the file, or is root */
  mode_t mode;      /* what an owner gives it, also where writing took set-id bits away */
};

/* With the user's rights taken on by the caller; 0 or an errno. Room is found first: a full disk leaves the old content. `st` then describes the file. */
int write_in_place(const struct in_place *work, struct stat *st);

#endif
