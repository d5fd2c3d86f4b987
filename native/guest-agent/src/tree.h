/*
 * Work on whole directory trees, on directory descriptors. Links inside are never followed, what vanishes below the root
 * while a tree is walked is not an error, and no file is ever opened in a way that could block.
 */
#ifndef WRENN_TREE_H
#define WRENN_TREE_H

#include <stdatomic.h>

#include "buffer.h"
#include "paths.h"

/* How much a file request may do, and how it is ended early. */
struct file_scope {
  bool bounded;                 /* what may take long is left for a second call, with STATUS_UNBOUNDED and nothing changed */
  const atomic_bool *cancelled; /* ECANCELED once it is set, NULL: never */
};

/* How a call on a tree is ended early, and where it says what it failed at. */
struct tree_call {
  const atomic_bool *cancelled; /* NULL: never. ECANCELED once it is set. */
  struct buffer *failed;        /* NULL, or empty: the path that the error is about */
  off_t limit;                  /* a file that holds more fails a copy with EFBIG, whatever its size says; 0: no limit */
  bool unlock;                  /* a removal takes the rights that it needs to the directories it removes */
};

/* A name in its directory: the last component of a path is never followed. */
struct place {
  int parent;
  char name[PATH_LIMIT + 1];
  char path[PATH_LIMIT + 1]; /* without slashes at its end */
  bool directory;            /* the path ended in a slash */
};

struct tree_options {
  bool recursive;
  bool overwrite;
};

/* Opens the directory above the last component; 0 or an errno. */
int place_open(struct place *place, const char *path);
void place_close(struct place *place);
/* Renames to a name that must not exist; 0 or an errno. */
int rename_new(int from_parent, const char *from, int to_parent, const char *to);

/* Each returns 0 or an errno. */
int tree_remove(const struct place *place, const struct tree_call *call);
/* Follows a link at the path itself, as chmod(1) does, and none below it. */
int tree_chmod(const char *path, mode_t mode, const struct tree_call *call);
/* Copies to a temporary name next to the destination and renames: a failed copy leaves nothing behind and changes nothing. */
int tree_copy(const struct place *source, const struct place *destination, struct tree_options options, const struct tree_call *call);
/* Moves by renaming; EXDEV when source and destination are on two file systems. */
int tree_rename(const struct place *source, const struct place *destination, bool overwrite, const struct tree_call *call);
/* The same across file systems: copies with owner, times and attributes, then removes the source. */
int tree_relocate(const struct place *source, const struct place *destination, bool overwrite, const struct tree_call *call);

#endif
