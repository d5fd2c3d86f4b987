#include "ring.h"

#include <stdlib.h>
#include <string.h>

bool ring_open(struct ring *r, size_t capacity) {
  *r = (struct ring){.bytes = malloc(capacity), .capacity = capacity};
  return r->bytes != NULL;
}

void ring_close(struct ring *r) {
  free(r->bytes);
  memset(r, 0, sizeof *r);
}

bool ring_resize(struct ring *r, size_t capacity) {
  struct ring resized = {.bytes = malloc(capacity), .capacity = capacity, .start = r->start, .end = r->start};
  if (!resized.bytes) return false;
  while (resized.end < r->end) {
    size_t length;
    size_t room;
    const uint8_t *from = ring_peek(r, resized.end, &length);
    uint8_t *to = ring_room(&resized, &room);
    if (length > room) length = room;
    memcpy(to, from, length);
    ring_grow(&resized, length);
  }
  free(r->bytes);
  *r = resized;
  return true;
}

uint8_t *ring_room(struct ring *r, size_t *length) {
  size_t at = (size_t)(r->end % r->capacity);
  size_t free = ring_free(r);
  size_t straight = r->capacity - at;
  *length = free < straight ? free : straight;
  return r->bytes + at;
}

void ring_grow(struct ring *r, size_t length) { r->end += length; }

void ring_release(struct ring *r, uint64_t offset) {
  if (offset > r->end) offset = r->end;
  if (offset > r->start) r->start = offset;
}

const uint8_t *ring_peek(const struct ring *r, uint64_t offset, size_t *length) {
  size_t at = (size_t)(offset % r->capacity);
  size_t left = (size_t)(r->end - offset);
  size_t straight = r->capacity - at;
  *length = left < straight ? left : straight;
  return r->bytes + at;
}
