/* Extents are found in their order and within the limit, holes are not extents, and an empty file or a file of holes has none. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "extents.h"

enum { MIB = 1 << 20, EXTENTS = 5 };

static int temporary(void) {
  char path[] = "/tmp/wrenn-extents-test-XXXXXX";
  int fd = mkstemp(path);
  assert(fd >= 0 && unlink(path) == 0);
  return fd;
}

static void test_order_and_limit(void) {
  int fd = temporary();
  struct extent found[8];
  assert(ftruncate(fd, 64 * MIB) == 0);
  for (int i = 0; i < EXTENTS; i++) assert(pwrite(fd, "data", 4, (off_t)(i * 8 + 2) * MIB) == 4);
  ssize_t count = find_extents(fd, 0, found, 8);
  assert(count == EXTENTS);
  for (int i = 0; i < EXTENTS; i++) {
    off_t at = (off_t)(i * 8 + 2) * MIB;
    assert(found[i].start <= at && found[i].start + found[i].length >= at + 4 && found[i].length <= MIB);
    assert(i == 0 || found[i].start >= found[i - 1].start + found[i - 1].length);
  }
  assert(find_extents(fd, 0, found, 2) == 2);
  /* In parts it is the same. */
  assert(find_extents(fd, found[1].start + found[1].length, found, 8) == EXTENTS - 2);
  close(fd);
}

static void test_nothing(void) {
  int fd = temporary();
  struct extent found[1];
  assert(find_extents(fd, 0, found, 1) == 0);
  assert(ftruncate(fd, 64 * MIB) == 0 && find_extents(fd, 0, found, 1) == 0);
  assert(find_extents(fd, 128 * MIB, found, 1) == 0);
  close(fd);
  errno = 0;
  assert(find_extents(fd, 0, found, 1) == -1 && errno == EBADF);
}

int main(void) {
  test_order_and_limit();
  test_nothing();
  puts("ok: order and limit, nothing");
  return 0;
}
