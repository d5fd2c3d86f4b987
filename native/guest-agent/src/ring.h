/* The last bytes of one output stream, with offsets from the stream's first byte. */
#ifndef WRENN_RING_H
#define WRENN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
  uint8_t *bytes;
  size_t capacity;
  uint64_t start;
  uint64_t end;
};

bool ring_open(struct ring *r, size_t capacity);
void ring_close(struct ring *r);
static inline size_t ring_free(const struct ring *r) { return r->capacity - (size_t)(r->end - r->start); }
/* Changes the capacity, to no less than what it holds; false when memory is short, with the ring unchanged. */
bool ring_resize(struct ring *r, size_t capacity);
/* The contiguous free room behind the end, for reading straight into it; ring_grow says how much of it was used. */
uint8_t *ring_room(struct ring *r, size_t *length);
void ring_grow(struct ring *r, size_t length);
/* Forgets everything before `offset`. */
void ring_release(struct ring *r, uint64_t offset);
/* The contiguous bytes from `offset` on, which must lie between start and end. */
const uint8_t *ring_peek(const struct ring *r, uint64_t offset, size_t *length);

#endif
