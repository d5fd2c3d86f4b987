#define _GNU_SOURCE
#include "extents.h"

#include <errno.h>
#include <unistd.h>

ssize_t find_extents(int fd, off_t from, struct extent *extents, size_t limit) {
  size_t count = 0;
  while (count < limit) {
    off_t start = lseek(fd, from, SEEK_DATA);
    /* ENXIO: there is no data behind this offset. */
    if (start < 0) return errno == ENXIO ? (ssize_t)count : -1;
    off_t end = lseek(fd, start, SEEK_HOLE);
    /* The file has become shorter in between. */
    if (end < 0) return errno == ENXIO ? (ssize_t)count : -1;
    /* A hole was made in between: looked at again from there. */
    if (end > start) extents[count++] = (struct extent){start, end - start};
    from = end;
  }
  return (ssize_t)count;
}
