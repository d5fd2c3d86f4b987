/* What one file holds besides its name: bytes with their holes, and attributes. Each returns 0 or an errno. */
#ifndef WRENN_COPY_CONTENT_H
#define WRENN_COPY_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

/*
 * Copies the bytes of a file of `size` bytes, keeping holes; EIO when the file became shorter, EFBIG when it holds more than
 * `limit` (0: no limit), ECANCELED once `cancelled` is set.
 */
int content_copy(int from, int to, off_t size, off_t limit, const atomic_bool *cancelled);

/* The owner of what took another file's place, and whether everything is kept (a move) or mode and times (a copy). */
struct keeping {
  bool everything;
  const struct stat *replaced; /* its owner is kept by a copy; NULL when there was nothing */
};

/* Gives a file or directory what `st` says. Set-user-id, set-group-id and sticky bits need owner and group to be those of the source. */
int attributes_copy(int from, int to, const struct stat *st, struct keeping keeping);
/* The same for what cannot be opened: a link, a FIFO, a socket, a device. */
int attributes_set(int parent, const char *name, const struct stat *st, struct keeping keeping);

#endif
