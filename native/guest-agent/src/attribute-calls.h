/* Requests about extended attributes of users. */
#ifndef WRENN_ATTRIBUTE_CALLS_H
#define WRENN_ATTRIBUTE_CALLS_H

#include "tree.h"
#include "users.h"
#include "wire.h"

/*
 * Answers ATTRIBUTES: of the file at `path`, and of others that the request names, those whose names begin with a prefix of the request.
 * A file that is not there, or that the user may not read, has none.
 */
int attributes_list_call(const struct user *user, const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body);
/* Answers SET_ATTRIBUTES: the file gets those of the request, and loses others whose names begin with its prefix. */
int attributes_set_call(const char *path, struct reader *r, struct buffer *body);

#endif
