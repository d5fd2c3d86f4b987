/* LIST and LIST_PAGE: the entries below a directory, as deep as asked. */
#ifndef WRENN_LISTING_H
#define WRENN_LISTING_H

#include "tree.h"
#include "wire.h"

/* Reads depth and limit from the request and lists `path`, with the user's rights taken on. */
int list_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body);
/*
 * The same for one page: depth, limit and the cursor of the page before ("": the first one). Memory is in proportion to the page. What
 * exists all the time is on exactly one of the pages: entries are in the order of their paths, and a cursor is the path of one.
 */
int list_page_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body);

#endif
