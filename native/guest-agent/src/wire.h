/*
 * Reading and writing of little-endian fields (docs/reference/guest-protocol.md).
 * The reader faces bytes of the host, which is trusted more than the guest's users but may be cut or confused:
 * every length is checked, and after the first failure everything reads as zero and `failed` stays set.
 */
#ifndef WRENN_WIRE_H
#define WRENN_WIRE_H

#include "buffer.h"

struct reader {
  const uint8_t *at;
  size_t left;
  bool failed;
};

/* A string or bytes field: not terminated, points into the payload. */
struct view {
  const uint8_t *bytes;
  size_t length;
};

uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
struct view read_bytes(struct reader *r);
/* A copy with a terminator; NULL when the field is longer than `limit`, holds a NUL, or memory is short. The caller frees it. */
char *read_text(struct reader *r, size_t limit);

/* Whether everything parsed and nothing is left over. */
static inline bool read_finished(const struct reader *r) { return !r->failed && r->left == 0; }

/* Eight bytes at `to`. */
void store_u64(uint8_t *to, uint64_t value);
void write_u8(struct buffer *b, uint8_t value);
void write_u16(struct buffer *b, uint16_t value);
void write_u32(struct buffer *b, uint32_t value);
void write_u64(struct buffer *b, uint64_t value);
void write_bytes(struct buffer *b, const void *bytes, size_t length);
void write_text(struct buffer *b, const char *text);

#endif
