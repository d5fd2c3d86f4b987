/* /run/user/UID, which belongs to one user and holds its sockets. */
#ifndef WRENN_RUNTIME_DIRECTORY_H
#define WRENN_RUNTIME_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "users.h"

/* Where the directories of users are made; without this call nowhere. Once, at the start. */
void runtime_directories_use(const char *root);
/* Makes those of root and of ordinary users, for sessions that begin with su(1) or sudo(8). */
void runtime_directories_make(void);
/* The directory of a user, made when it is missing; false when that is not possible. */
bool runtime_directory(const struct user *user, char *path, size_t size);

#endif
