/* The greeting of a host, byte by byte as the protocol has it. */
#ifndef WRENN_HELLO_H
#define WRENN_HELLO_H

#include "../src/wire.h"

static const uint8_t hello_magic[16] = {'W', 'R', 'E', 'N', 'N', '-', 'H', 'E', 'L', 'L', 'O', 0xFF, 0x00, 0xA5, 0x5A, 0x01};

/* Appends a greeting for the interactive lane; its nonce is `nonce` sixteen times. */
static inline void append_hello(struct buffer *out, uint32_t version, uint32_t epoch, uint8_t nonce, uint64_t link_id) {
  (void)buffer_append(out, hello_magic, sizeof hello_magic);
  write_u32(out, version);
  write_u32(out, epoch);
  for (int i = 0; i < 16; i++) write_u8(out, nonce);
  write_u64(out, link_id);
  write_u32(out, 0);
  for (int i = 0; i < 12; i++) write_u8(out, 0);
}

#endif
