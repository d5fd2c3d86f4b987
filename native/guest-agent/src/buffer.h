/* A growable run of bytes: appended at the end, consumed at the front. */
#ifndef WRENN_BUFFER_H
#define WRENN_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
  uint8_t *bytes;
  size_t start;
  size_t end;
  size_t capacity;
};

/* Makes room for `extra` bytes behind the end; false when memory is short. */
bool buffer_reserve(struct buffer *b, size_t extra);
/* Appends bytes; false when memory is short, with the buffer unchanged. */
bool buffer_append(struct buffer *b, const void *bytes, size_t length);
void buffer_consume(struct buffer *b, size_t length);
void buffer_free(struct buffer *b);

static inline size_t buffer_length(const struct buffer *b) { return b->end - b->start; }
static inline const uint8_t *buffer_data(const struct buffer *b) { return b->bytes ? b->bytes + b->start : NULL; }

#endif
