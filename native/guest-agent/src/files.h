/* File requests that move no contents. Every call runs with the rights of the user that was named. */
#ifndef WRENN_FILES_H
#define WRENN_FILES_H

#include "blocking-job.h"
#include "users.h"

blocking_function run_file;
/* Appends the entry of a path (not following a final link); errno when it cannot be read. */
int entry_write(struct buffer *body, const char *path);
/* Reads user and path, takes on the user's rights and resolves the path; STATUS_OK or the status to answer. The caller calls user_restore. */
int files_begin(struct reader *r, struct user *user, char path[4097], struct buffer *body);

#endif
