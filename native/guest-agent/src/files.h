/* File requests that move no contents. Every call runs with the rights of the user that was named. */
#ifndef WRENN_FILES_H
#define WRENN_FILES_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "status.h"
#include "users.h"
#include "wire.h"

/* How much a file request may do, and how it is ended early. */
struct file_scope {
  bool bounded;                 /* what may take long is left for a second call, with STATUS_UNBOUNDED and nothing changed */
  const atomic_bool *cancelled; /* ECANCELED once it is set, NULL: never */
};

/* Does one request on a worker; the answer's body or an error's detail goes into `body`. */
int file_call(uint16_t op, struct reader *r, const struct file_scope *scope, struct buffer *body);
/* Appends the entry of a path (not following a final link); errno when it cannot be read. */
int entry_write(struct buffer *body, const char *path);
/* The same of a file whose facts are known, for instance of an open one. */
int entry_describe(struct buffer *body, const char *path, const struct stat *st);
/* The same for a name in an open directory, to which `path` leads. */
int entry_write_at(struct buffer *body, int parent, const char *name, const char *path);
/* Reads user and path, takes on the user's rights and resolves the path; STATUS_OK or the status to answer. The caller calls user_restore. */
int files_begin(struct reader *r, struct user *user, char path[4097], struct buffer *body);

#endif
