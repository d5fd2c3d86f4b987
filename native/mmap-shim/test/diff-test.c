/* Diffs are laid over a memory, and every way in which a file can be wrong is refused. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../src/diff.h"

enum { PAGE = 4096, PAGES = 8, MEMORY = PAGES * PAGE, DATA = PAGE };

static int failures;

static void check(int ok, const char *what) {
  if (!ok) failures++;
  printf("%s: %s\n", ok ? "ok" : "FAILED", what);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
  uint32_t crc = 0xffffffff;
  for (size_t at = 0; at < size; at++) {
    crc ^= bytes[at];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
  }
  return ~crc;
}

static void put(uint8_t *at, uint64_t value, int size) {
  for (int byte = 0; byte < size; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

/* Pages 1, 2 and 5 with their number in every byte; page 3 is zero. */
static size_t sample(uint8_t *file) {
  static const uint64_t numbers[] = {1, 2, 5, 3};
  memset(file, 0, DATA + 3 * PAGE);
  memcpy(file, "WRENNDIF", 8);
  put(file + 8, 1, 4);
  put(file + 12, PAGE, 4);
  put(file + 16, 3, 8);
  put(file + 24, 1, 8);
  put(file + 32, MEMORY, 8);
  for (int at = 0; at < 4; at++) put(file + 48 + 8 * at, numbers[at], 8);
  for (int at = 0; at < 3; at++) memset(file + DATA + at * PAGE, (int)numbers[at], PAGE);
  return DATA + 3 * PAGE;
}

static void seal(uint8_t *file) {
  put(file + 40, 0, 4);
  put(file + 40, crc32_of(file, 48 + 4 * 8), 4);
}

static const char *apply(const uint8_t *file, size_t size, uint8_t *memory) {
  int fd = memfd_create("diff", MFD_CLOEXEC);
  if (fd < 0 || write(fd, file, size) != (ssize_t)size) exit(2);
  memset(memory, 0xee, MEMORY);
  const char *problem = diff_apply(fd, memory, MEMORY);
  close(fd);
  return problem;
}

static int page_is(const uint8_t *memory, int page, int value) {
  for (int at = 0; at < PAGE; at++)
    if (memory[page * PAGE + at] != value) return 0;
  return 1;
}

static void refuse(const char *what, const char *expected, size_t at, uint64_t value, int width, int sealed) {
  static uint8_t file[DATA + 3 * PAGE];
  static uint8_t memory[MEMORY];
  size_t size = sample(file);
  seal(file);
  put(file + at, value, width);
  if (sealed) seal(file);
  const char *problem = apply(file, size, memory);
  check(problem && strstr(problem, expected), what);
}

/* More runs than one system call reads: of the odd pages each with its number, and the last one cut short by a page. */
static void scattered(void) {
  enum { COUNT = 1300, ALL = 2 * COUNT, INDEX = 48 + 8 * COUNT, BEGIN = (INDEX + PAGE - 1) / PAGE * PAGE };
  uint8_t *bytes = calloc(1, BEGIN + (size_t)COUNT * PAGE);
  uint8_t *memory = calloc(ALL, PAGE);
  if (!bytes || !memory) exit(2);
  memcpy(bytes, "WRENNDIF", 8);
  put(bytes + 8, 1, 4);
  put(bytes + 12, PAGE, 4);
  put(bytes + 16, COUNT, 8);
  put(bytes + 32, (uint64_t)ALL * PAGE, 8);
  for (int at = 0; at < COUNT; at++) {
    put(bytes + 48 + 8 * at, (uint64_t)at * 2 + 1, 8);
    memset(bytes + BEGIN + (size_t)at * PAGE, at % 251 + 1, PAGE);
  }
  put(bytes + 40, crc32_of(bytes, INDEX), 4);
  int fd = memfd_create("diff", MFD_CLOEXEC);
  size_t size = BEGIN + (size_t)COUNT * PAGE;
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) exit(2);
  check(diff_apply(fd, memory, (size_t)ALL * PAGE) == NULL, "a diff of many runs is applied");
  int right = 0;
  for (int page = 0; page < ALL; page++) right += page_is(memory, page, page % 2 ? page / 2 % 251 + 1 : 0);
  check(right == ALL, "each of its pages is where it belongs");
  const char *problem = ftruncate(fd, (off_t)size - PAGE) ? NULL : diff_apply(fd, memory, (size_t)ALL * PAGE);
  check(problem && strstr(problem, "data is cut short"), "without its last page it is refused");
  close(fd);
  free(bytes);
  free(memory);
}

int main(void) {
  scattered();
  static uint8_t file[DATA + 3 * PAGE];
  static uint8_t memory[MEMORY];
  size_t size = sample(file);
  seal(file);
  check(apply(file, size, memory) == NULL, "a sound diff is applied");
  check(page_is(memory, 1, 1) && page_is(memory, 2, 2) && page_is(memory, 5, 5), "listed pages have the file's bytes");
  check(page_is(memory, 3, 0), "zero pages are zero");
  check(page_is(memory, 0, 0xee) && page_is(memory, 4, 0xee) && page_is(memory, 7, 0xee), "other pages are untouched");
  check(strstr(apply(file, size - 1, memory), "data is cut short") != NULL, "cut data is refused");
  check(strstr(apply(file, 60, memory), "index is cut short") != NULL, "a cut index is refused");
  check(strstr(apply(file, 20, memory), "header is cut short") != NULL, "a cut header is refused");
  refuse("another magic is refused", "magic", 0, 0, 1, 0);
  refuse("another version is refused", "version", 8, 2, 4, 1);
  refuse("another page size is refused", "page size", 12, 8192, 4, 1);
  refuse("another memory size is refused", "another size", 32, MEMORY * 2, 8, 1);
  refuse("too many pages are refused", "more pages", 16, PAGES + 1, 8, 1);
  refuse("a count that overflows is refused", "more pages", 24, UINT64_MAX - 1, 8, 1);
  refuse("a wrong checksum is refused", "checksum", 48, 2, 8, 0);
  refuse("a page beyond the memory is refused", "out of range", 48 + 16, PAGES, 8, 1);
  refuse("a zero page beyond the memory is refused", "out of range", 48 + 24, UINT64_MAX, 8, 1);
  return failures == 0 ? 0 : 1;
}
