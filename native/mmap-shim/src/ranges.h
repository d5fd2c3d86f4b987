#ifndef WRENN_SHIM_RANGES_H
#define WRENN_SHIM_RANGES_H

#include <stddef.h>
#include <stdint.h>

enum { RANGES_PAGE = 4096, MAX_RANGES = 4096 };

/* `count` pages of a memory from page number `first` on. */
struct range {
  uint64_t first;
  uint64_t count;
};

/*
 * Reads a WRENNRNG file (packages/memory-image/src/page-server/served-ranges.ts): ascending ranges of pages, none empty, none beyond
 * `memory_size`. Returns NULL, or what is wrong with the file. `*ranges` is the caller's to free.
 */
const char *ranges_read(int fd, size_t memory_size, struct range **ranges, size_t *count);

#endif
