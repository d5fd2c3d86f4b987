#define _GNU_SOURCE
#include "diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  PAGE = 4096,
  HEADER = 48,
  CRC_AT = 40,
  BATCH = 512, /* runs of pages that one system call reads, at most IOV_MAX */
};

struct index {
  uint64_t page_count;
  uint64_t zero_count;
  uint8_t *bytes; /* header and page numbers */
  size_t size;
};

static uint32_t get_u32(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

static uint64_t get_u64(const uint8_t *at) { return (uint64_t)get_u32(at) | (uint64_t)get_u32(at + 4) << 32; }

/* CRC-32 of IEEE 802.3, as zlib has it; four bits a step need a table of 16 words. */
static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
  static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                     0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t crc = 0xffffffff;
  for (size_t at = 0; at < size; at++) {
    crc ^= bytes[at];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}

static bool read_all(int fd, uint8_t *to, size_t size, uint64_t offset) {
  for (size_t done = 0; done < size;) {
    ssize_t n = pread(fd, to + done, size - done, (off_t)(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

/* Reads from `offset` on into all of `parts`, which it uses up. */
static bool read_parts(int fd, struct iovec *parts, int count, uint64_t offset) {
  while (count > 0) {
    ssize_t n = preadv(fd, parts, count, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    offset += (uint64_t)n;
    size_t left = (size_t)n;
    for (; count > 0 && left >= parts->iov_len; parts++, count--) left -= parts->iov_len;
    if (count == 0) break;
    parts->iov_base = (uint8_t *)parts->iov_base + left;
    parts->iov_len -= left;
  }
  return true;
}

static const char *read_index(int fd, size_t memory_size, struct index *index) {
  uint8_t header[HEADER];
  if (!read_all(fd, header, HEADER, 0)) return "the header is cut short";
  if (memcmp(header, "WRENNDIF", 8) != 0) return "the magic is wrong";
  if (get_u32(header + 8) != 1) return "the version is unknown";
  if (get_u32(header + 12) != PAGE) return "the page size is not 4096";
  if (get_u64(header + 32) != memory_size) return "it belongs to a memory of another size";
  uint64_t pages = memory_size / PAGE;
  index->page_count = get_u64(header + 16);
  index->zero_count = get_u64(header + 24);
  if (index->page_count > pages || index->zero_count > pages - index->page_count) return "it lists more pages than the memory has";
  index->size = HEADER + (size_t)(index->page_count + index->zero_count) * 8;
  index->bytes = malloc(index->size);
  if (!index->bytes) return "no memory for its index";
  if (!read_all(fd, index->bytes, index->size, 0)) return "the index is cut short";
  uint32_t crc = get_u32(index->bytes + CRC_AT);
  memset(index->bytes + CRC_AT, 0, 4);
  return crc32_of(index->bytes, index->size) == crc ? NULL : "the checksum of the index is wrong";
}

static uint64_t page_at(const struct index *index, uint64_t position) { return get_u64(index->bytes + HEADER + position * 8); }

/* The file has the pages in their order without gaps: one system call reads many runs of neighbouring pages. */
static const char *apply_pages(int fd, const struct index *index, uint8_t *memory, uint64_t pages) {
  struct iovec parts[BATCH];
  int count = 0;
  uint64_t data = (index->size + PAGE - 1) / PAGE * PAGE;
  uint64_t begin = 0;
  for (uint64_t at = 0; at < index->page_count;) {
    uint64_t first = page_at(index, at);
    uint64_t length = 1;
    if (first >= pages) return "a page number is out of range";
    while (at + length < index->page_count && first + length < pages && page_at(index, at + length) == first + length) length++;
    parts[count++] = (struct iovec){memory + first * PAGE, (size_t)length * PAGE};
    at += length;
    if (count < BATCH && at < index->page_count) continue;
    if (!read_parts(fd, parts, count, data + begin * PAGE)) return "its data is cut short";
    begin = at;
    count = 0;
  }
  return NULL;
}

static const char *apply_zeros(const struct index *index, uint8_t *memory, uint64_t pages) {
  for (uint64_t at = 0; at < index->zero_count; at++) {
    uint64_t page = page_at(index, index->page_count + at);
    if (page >= pages) return "the number of a zero page is out of range";
    memset(memory + page * PAGE, 0, PAGE);
  }
  return NULL;
}

const char *diff_apply(int fd, uint8_t *memory, size_t memory_size) {
  struct index index = {0};
  const char *problem = read_index(fd, memory_size, &index);
  if (!problem) problem = apply_pages(fd, &index, memory, memory_size / PAGE);
  if (!problem) problem = apply_zeros(&index, memory, memory_size / PAGE);
  free(index.bytes);
  return problem;
}
