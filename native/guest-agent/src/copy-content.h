/* What one file holds besides its name: bytes with their holes, and attributes. Each returns 0 or an errno. */
#ifndef WRENN_COPY_CONTENT_H
#define WRENN_COPY_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Copies from `*at` up to `end`, or up to the end of the file, where `*at` then is; holes become zeros. */
int range_copy(int from, int to, off_t *at, off_t end, const atomic_bool *cancelled);
/*
 * Copies the bytes of a file of `size` bytes, keeping holes; EIO when the file became shorter, EFBIG when it holds more than
 * `limit` (0: no limit), ECANCELED once `cancelled` is set.
 */
int content_copy(int from, int to, off_t size, off_t limit, const atomic_bool *cancelled);

/*
 * Gives a file or directory what `st` says and `from` has: owner and group as far as the user may give them, access lists, attributes,
 * mode and times. Set-user-id, set-group-id and sticky bits need owner and group to be those of the source.
 */
int attributes_copy(int from, int to, const struct stat *st);
/* The same for what cannot be opened: a link, a FIFO, a socket, a device. */
int attributes_set(int parent, const char *name, const struct stat *st);

#endif
