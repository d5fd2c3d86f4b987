/* LIST: the entries below a directory, as deep as asked. */
#ifndef WRENN_LISTING_H
#define WRENN_LISTING_H

#include "tree.h"
#include "wire.h"

/* Reads depth and limit from the request and lists `path`, with the user's rights taken on. */
int list_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body);

#endif
