#define _GNU_SOURCE
#include "image.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t MAX_IMAGE = 1ull << 40;

static const char *check(const struct image *image) {
  uint64_t expected = 0;
  for (size_t i = 0; i < image->extent_count; i++) {
    const struct extent *e = &image->extents[i];
    if (e->offset != expected) return "extents leave a gap or overlap";
    if (e->length == 0 || e->length % PAGE || e->length > MAX_IMAGE - expected) return "an extent's length is out of range";
    if (e->kind > EXTENT_CALLBACK) return "an extent's kind is unknown";
    if (e->kind == EXTENT_FILE && (e->file >= image->file_count || e->file_offset > (uint64_t)INT64_MAX - e->length)) return "an extent's file is unknown";
    expected += e->length;
  }
  return expected ? NULL : "the image is empty";
}

const char *image_check(struct image *image) {
  const char *problem = check(image);
  if (problem) return problem;
  const struct extent *last = &image->extents[image->extent_count - 1];
  image->size = last->offset + last->length;
  image->present = calloc(image->size / PAGE, 1);
  image->removed = calloc(image->size / PAGE, 1);
  return image->present && image->removed ? NULL : "out of memory";
}

const struct extent *image_find(const struct image *image, uint64_t offset) {
  size_t low = 0;
  size_t high = image->extent_count - 1;
  while (low < high) {
    size_t middle = high - (high - low) / 2;
    if (image->extents[middle].offset <= offset) low = middle;
    else high = middle - 1;
  }
  return &image->extents[low];
}

bool image_read(const struct image *image, const struct extent *extent, uint64_t offset, void *to, size_t length) {
  uint64_t at = extent->file_offset + (offset - extent->offset);
  size_t done = 0;
  while (done < length) {
    ssize_t n = pread(image->files[extent->file], (char *)to + done, length - done, (off_t)(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}
