/* File requests that move no contents. Every call runs with the rights of the user that was named. */
#ifndef WRENN_FILES_H
#define WRENN_FILES_H

#include "status.h"
#include "tree.h"
#include "users.h"
#include "wire.h"

/* Does one request on a worker; the answer's body or an error's detail goes into `body`. */
int file_call(uint16_t op, struct reader *r, const struct file_scope *scope, struct buffer *body);
/* Reads user and path, takes on the user's rights and resolves the path; STATUS_OK or the status to answer. The caller calls user_restore. */
int files_begin(struct reader *r, struct user *user, char path[4097], struct buffer *body);

#endif
