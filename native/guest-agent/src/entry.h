/* What the host learns of one file: the entry of docs/reference/guest-protocol.md. */
#ifndef WRENN_ENTRY_H
#define WRENN_ENTRY_H

#include <sys/stat.h>

#include "buffer.h"

/* Appends the entry of a path (not following a final link); errno when it cannot be read. */
int entry_write(struct buffer *body, const char *path);
/* The same of a file whose facts are known, for instance of an open one. */
int entry_describe(struct buffer *body, const char *path, const struct stat *st);
/* The same for a name in an open directory, to which `path` leads. */
int entry_write_at(struct buffer *body, int parent, const char *name, const char *path);

#endif
