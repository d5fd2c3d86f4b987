#include "buffer.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *b, size_t extra) {
  if (b->capacity - b->end >= extra) return true;
  size_t length = buffer_length(b);
  if (b->start > 0) {
    memmove(b->bytes, b->bytes + b->start, length);
    b->start = 0;
    b->end = length;
    if (b->capacity - b->end >= extra) return true;
  }
  size_t capacity = b->capacity ? b->capacity : 256;
  while (capacity - length < extra) {
    if (capacity > SIZE_MAX / 2) return false;
    capacity *= 2;
  }
  uint8_t *bytes = realloc(b->bytes, capacity);
  if (!bytes) return false;
  b->bytes = bytes;
  b->capacity = capacity;
  return true;
}

bool buffer_append(struct buffer *b, const void *bytes, size_t length) {
  if (!buffer_reserve(b, length)) return false;
  if (length > 0) memcpy(b->bytes + b->end, bytes, length);
  b->end += length;
  return true;
}

void buffer_consume(struct buffer *b, size_t length) {
  b->start += length;
  if (b->start == b->end) {
    b->start = b->end = 0;
    /* One large answer must not hold its memory indefinitely. */
    if (b->capacity > (1u << 20)) buffer_free(b);
  }
}

void buffer_free(struct buffer *b) {
  free(b->bytes);
  memset(b, 0, sizeof *b);
}
