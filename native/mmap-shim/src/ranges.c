#define _GNU_SOURCE
#include "ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { HEADER = 24, ENTRY = 16 };

static uint64_t get(const uint8_t *at, size_t bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | at[bytes];
  return value;
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

static const char *read_entries(const uint8_t *bytes, size_t count, uint64_t pages, struct range *ranges) {
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    struct range range = {get(bytes + i * ENTRY, 8), get(bytes + i * ENTRY + 8, 8)};
    if (range.first < end || range.first >= pages) return "a range is out of order or out of the memory";
    if (range.count == 0 || range.count > pages - range.first) return "a range is empty or too long";
    end = range.first + range.count;
    ranges[i] = range;
  }
  return NULL;
}

const char *ranges_read(int fd, size_t memory_size, struct range **ranges, size_t *count) {
  uint8_t header[HEADER];
  *ranges = NULL;
  if (!read_all(fd, header, HEADER, 0)) return "the header is cut short";
  if (memcmp(header, "WRENNRNG", 8) != 0) return "the magic is wrong";
  if (get(header + 8, 4) != 1) return "the version is unknown";
  if (get(header + 16, 8) != memory_size) return "it belongs to a memory of another size";
  *count = (size_t)get(header + 12, 4);
  if (*count > MAX_RANGES) return "it has too many ranges";
  uint8_t *bytes = malloc(*count * ENTRY + 1);
  *ranges = malloc(*count * sizeof **ranges + 1);
  const char *problem = NULL;
  if (!bytes || !*ranges) problem = "no memory for its ranges";
  else if (!read_all(fd, bytes, *count * ENTRY, HEADER)) problem = "its ranges are cut short";
  else problem = read_entries(bytes, *count, memory_size / RANGES_PAGE, *ranges);
  free(bytes);
  return problem;
}
