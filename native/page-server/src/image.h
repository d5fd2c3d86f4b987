/* The memory image that one server serves: extents over files, and which pages are where. */
#ifndef WRENN_IMAGE_H
#define WRENN_IMAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096, MAX_FILES = 8 };

enum extent_kind { EXTENT_ZERO = 0, EXTENT_FILE = 1, EXTENT_CALLBACK = 2 };

struct extent {
  uint64_t offset;
  uint64_t length;
  uint64_t kind;
  uint64_t file;
  uint64_t file_offset;
};

struct image {
  uint64_t size;
  struct extent *extents;
  size_t extent_count;
  int files[MAX_FILES];
  size_t file_count;
  uint8_t *present; /* one byte per page: already given to the machine */
  uint8_t *removed; /* one byte per page: given back by the machine, zero from now on */
};

/* Checks that the extents are sorted, gapless and aligned, and lays out the rest. Returns NULL, or what is wrong. */
const char *image_check(struct image *image);
/* The extent that covers `offset`, which is below the image's size. */
const struct extent *image_find(const struct image *image, uint64_t offset);
/* Reads from the extent's file. False when the file ends early or cannot be read. */
bool image_read(const struct image *image, const struct extent *extent, uint64_t offset, void *to, size_t length);
#endif
