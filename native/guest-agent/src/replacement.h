/*
 * A file that is written aside and then becomes its target whole, in one step. Where the file system can, it has no name until then:
 * what is abandoned vanishes with its descriptor, and it is not visible before. Where no new file can stand in for the one that is
 * there (hard links, a mount, a directory that may not be written, an owner that cannot be kept), its content is written into that.
 */
#ifndef WRENN_REPLACEMENT_H
#define WRENN_REPLACEMENT_H

#include <sys/types.h>

#include "condition.h"
#include "paths.h"
#include "wire.h"

struct replacement {
  struct user user; /* whose rights every step takes */
  mode_t mode;      /* of a new file; one that exists keeps its own */
  bool asked_mode;  /* the mode is asked for, also of one that exists */
  bool exclusive;   /* the target must not exist */
  struct condition condition; /* what must be there */
  bool parents;     /* directories above it are made with it */
  bool elsewhere;   /* not in the target's directory, which may not be written: only the file that is there can be filled */
  int fd;           /* -1 while closed */
  char path[PATH_LIMIT + 1];
  char temporary[PATH_LIMIT + 1]; /* "" while the file has no name */
};

/* Reads mode and flags of a WRITE or an UPLOAD_CREATE; false when they do not parse. */
bool replacement_read(struct replacement *r, struct reader *reader);
/* The two steps of opening, with the user's rights taken on by the caller: judges the target and leaves no trace, then makes the file. */
int replacement_judge(struct replacement *r, struct buffer *detail);
int replacement_open(struct replacement *r);
/* What replacement_open falls back to on file systems without anonymous files. Exposed for tests. */
int replacement_open_named(struct replacement *r, const char *directory);
/* How a file is committed. */
struct commit {
  bool durable;
  bool bounded; /* what may take long is left for a second call, with STATUS_UNBOUNDED and nothing changed */
};
/* Gives the file its target's name, or the target its content; owner, mode and attributes stay. `answer` gets the entry. The file stays open also on a failure. */
int replacement_commit(struct replacement *r, struct commit how, struct buffer *answer);
/* Closes the file, and removes it unless it was committed. */
void replacement_close(struct replacement *r);

#endif
