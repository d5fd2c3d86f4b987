/* Files with ranges of pages: good ones are read, every kind of bad one is refused with a reason. */
#define _GNU_SOURCE
#include "../src/ranges.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 64 * RANGES_PAGE };

static int failures;

static void put(uint8_t *to, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)(value >> (8 * i));
}

/* A file of `count` ranges that says it has `said`. */
static int make(const struct range *ranges, size_t count, uint32_t said, uint64_t memory_size) {
  uint8_t bytes[24 + 16 * 8] = "WRENNRNG";
  put(bytes + 8, 1, 4);
  put(bytes + 12, said, 4);
  put(bytes + 16, memory_size, 8);
  for (size_t i = 0; i < count; i++) {
    put(bytes + 24 + 16 * i, ranges[i].first, 8);
    put(bytes + 32 + 16 * i, ranges[i].count, 8);
  }
  int fd = memfd_create("ranges", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes, 24 + 16 * count) != (ssize_t)(24 + 16 * count)) abort();
  return fd;
}

static void check(const char *what, int fd, bool good, size_t expected) {
  struct range *ranges = NULL;
  size_t count = 0;
  const char *problem = ranges_read(fd, MEMORY, &ranges, &count);
  bool ok = good ? !problem && count == expected : problem != NULL;
  printf("%s: %s%s%s\n", ok ? "ok" : "FAILED", what, problem ? ": " : "", problem ? problem : "");
  failures += !ok;
  free(ranges);
  close(fd);
}

int main(void) {
  const struct range two[] = {{0, 3}, {10, 54}};
  const struct range overlapping[] = {{0, 3}, {2, 1}};
  const struct range beyond[] = {{60, 5}};
  const struct range outside[] = {{64, 1}};
  const struct range wraps[] = {{1, UINT64_MAX}};
  const struct range empty[] = {{1, 0}};
  check("two ranges up to the end", make(two, 2, 2, MEMORY), true, 2);
  check("none", make(NULL, 0, 0, MEMORY), true, 0);
  check("overlapping", make(overlapping, 2, 2, MEMORY), false, 0);
  check("beyond the end", make(beyond, 1, 1, MEMORY), false, 0);
  check("outside", make(outside, 1, 1, MEMORY), false, 0);
  check("wraps around", make(wraps, 1, 1, MEMORY), false, 0);
  check("empty", make(empty, 1, 1, MEMORY), false, 0);
  check("cut short", make(two, 1, 2, MEMORY), false, 0);
  check("far too many", make(two, 2, UINT32_MAX, MEMORY), false, 0);
  check("another memory", make(two, 2, 2, MEMORY * 2), false, 0);
  int nothing = memfd_create("ranges", MFD_CLOEXEC);
  check("an empty file", nothing, false, 0);
  return failures ? 1 : 0;
}
