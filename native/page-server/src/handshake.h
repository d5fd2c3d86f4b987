/* Firecracker's userfaultfd handshake. The peer is a VMM that may be in the hands of its guest: every byte is hostile. */
#ifndef WRENN_HANDSHAKE_H
#define WRENN_HANDSHAKE_H
#include <stddef.h>
#include <stdint.h>

enum { MAX_REGIONS = 64, MAX_REMAPPED_REGIONS = 256, MAX_HANDSHAKE = 16384 };

/* `size` bytes at `address` of the machine are the image's bytes from `offset` on. */
struct region {
  uint64_t address;
  uint64_t size;
  uint64_t offset;
};

enum parse_result { PARSE_OK = 0, PARSE_INCOMPLETE = 1, PARSE_BAD = 2 };

/* Reads the JSON list of regions. */
enum parse_result handshake_parse(const char *text, size_t length, struct region *regions, size_t *count);
/* NULL, or what is wrong with these regions for an image of `image_size` bytes. */
const char *handshake_check(const struct region *regions, size_t count, uint64_t image_size);
#endif
