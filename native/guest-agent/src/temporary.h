/*
 * Names that files and trees have while they are made, beside what they become. Lists, archives and watches leave them out.
 * The shape is exact, so that no file of a user is hidden by chance.
 */
#ifndef WRENN_TEMPORARY_H
#define WRENN_TEMPORARY_H

#include "paths.h"

#define TEMPORARY_PREFIX ".wrenn-"
/* A file that replaces another when it gets its name. */
#define TEMPORARY_UPLOAD "upload"
/* A file or tree that is copied. */
#define TEMPORARY_COPY "copy"

/* Room for a name of any kind above. */
enum { TEMPORARY_SIZE = 32 };

/* A new name: PREFIX, kind (lower-case letters), a hyphen, 16 random hexadecimal digits. 0 or an errno. */
int temporary_draw(const char *kind, char name[TEMPORARY_SIZE]);
/* The path of a new name in the directory of `path`. */
int temporary_beside(const char *path, const char *kind, char name[PATH_LIMIT + 1]);
/* Whether the last part of `path` is such a name. */
bool temporary_is(const char *path);
/* Whether it is one of this kind. */
bool temporary_is_kind(const char *path, const char *kind);

#endif
