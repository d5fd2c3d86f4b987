/* Extended attributes and access lists that stay with a file whose content is replaced by that of another one. */
#ifndef WRENN_ATTRIBUTES_H
#define WRENN_ATTRIBUTES_H

#include <stdbool.h>

/* Whether a file has any; also when that cannot be told. */
bool attributes_on(const char *path);
/*
 * Gives `to`, which may be an O_PATH descriptor, those of the file at `path`, and takes others away. What the kernel takes from a file
 * that is written, such as capabilities, is left out. 0, EPERM when one cannot be read or set, or a lack of room.
 */
int attributes_take(const char *path, int to);

#endif
