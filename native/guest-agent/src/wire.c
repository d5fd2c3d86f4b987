#include "wire.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *take(struct reader *r, size_t length) {
  if (r->failed || r->left < length) {
    r->failed = true;
    return NULL;
  }
  const uint8_t *at = r->at;
  r->at += length;
  r->left -= length;
  return at;
}

static uint64_t little_endian(struct reader *r, size_t size) {
  const uint8_t *at = take(r, size);
  uint64_t value = 0;
  if (!at) return 0;
  for (size_t i = size; i > 0; i--) value = value << 8 | at[i - 1];
  return value;
}

uint8_t read_u8(struct reader *r) { return (uint8_t)little_endian(r, 1); }
uint16_t read_u16(struct reader *r) { return (uint16_t)little_endian(r, 2); }
uint32_t read_u32(struct reader *r) { return (uint32_t)little_endian(r, 4); }
uint64_t read_u64(struct reader *r) { return little_endian(r, 8); }

struct view read_bytes(struct reader *r) {
  size_t length = read_u32(r);
  const uint8_t *at = take(r, length);
  return at ? (struct view){at, length} : (struct view){NULL, 0};
}

char *read_text(struct reader *r, size_t limit) {
  struct view v = read_bytes(r);
  if (r->failed) return NULL;
  if (v.length > limit || (v.length > 0 && memchr(v.bytes, 0, v.length))) {
    r->failed = true;
    return NULL;
  }
  char *text = malloc(v.length + 1);
  if (!text) {
    r->failed = true;
    return NULL;
  }
  if (v.length > 0) memcpy(text, v.bytes, v.length);
  text[v.length] = 0;
  return text;
}

static void put(struct buffer *b, uint64_t value, size_t size) {
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  (void)buffer_append(b, bytes, size);
}

void store_u64(uint8_t *to, uint64_t value) {
  for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (8 * i));
}

void write_u8(struct buffer *b, uint8_t value) { put(b, value, 1); }
void write_u16(struct buffer *b, uint16_t value) { put(b, value, 2); }
void write_u32(struct buffer *b, uint32_t value) { put(b, value, 4); }
void write_u64(struct buffer *b, uint64_t value) { put(b, value, 8); }

void write_bytes(struct buffer *b, const void *bytes, size_t length) {
  write_u32(b, (uint32_t)length);
  (void)buffer_append(b, bytes, length);
}

void write_text(struct buffer *b, const char *text) { write_bytes(b, text, strlen(text)); }
