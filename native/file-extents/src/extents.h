/* The parts of a file that are not holes, as the file system reports them. */
#ifndef WRENN_EXTENTS_H
#define WRENN_EXTENTS_H

#include <stddef.h>
#include <sys/types.h>

struct extent {
  off_t start;
  off_t length;
};

/*
 * Finds up to `limit` extents of an open file, from the offset `from` on, in their order. Returns how many: fewer than `limit` when the
 * file has no further ones; -1 with errno. Changes the position of the descriptor.
 */
ssize_t find_extents(int fd, off_t from, struct extent *extents, size_t limit);

#endif
