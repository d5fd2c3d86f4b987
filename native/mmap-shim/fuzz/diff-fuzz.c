/* Arbitrary bytes as a diff file: refused or applied inside of the memory, never anything else. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../src/diff.h"

enum { MEMORY = 16 * 4096 };

static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
  uint32_t crc = 0xffffffff;
  for (size_t at = 0; at < size; at++) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
  }
  return ~crc;
}

/* Most random files would stop at the checksum: half of them get the right one. */
static void mend_checksum(uint8_t *bytes, size_t size) {
  uint64_t count = (uint64_t)bytes[16] + bytes[24];
  size_t end = 48 + (size_t)count * 8;
  if (end > size) return;
  for (int at = 40; at < 44; at++) bytes[at] = 0;
  uint32_t crc = crc32_of(bytes, end);
  for (int at = 0; at < 4; at++) bytes[40 + at] = (uint8_t)(crc >> (8 * at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int fd = memfd_create("diff", MFD_CLOEXEC);
  uint8_t *copy = malloc(size + 1);
  uint8_t *memory = malloc(MEMORY);
  if (fd < 0 || !copy || !memory) abort();
  for (size_t at = 0; at < size; at++) copy[at] = data[at];
  if (size >= 48 && (data[size - 1] & 1)) mend_checksum(copy, size);
  if (write(fd, copy, size) == (ssize_t)size) (void)diff_apply(fd, memory, MEMORY);
  close(fd);
  free(copy);
  free(memory);
  return 0;
}
