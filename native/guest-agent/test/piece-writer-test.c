/* A file holds what was written, in order, whatever the sizes, on file systems that take direct writes and on those that do not. */
#define _GNU_SOURCE
#include "../src/piece-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

enum { ROUNDS = 60, LONGEST = 200000 };

static uint8_t source[LONGEST + 251];

static uint8_t byte_at(uint64_t offset) { return (uint8_t)(offset % 251); }

/* The bytes of the file from `offset` on. */
static const uint8_t *bytes_at(uint64_t offset) { return source + offset % 251; }

static void verify(int fd, uint64_t length) {
  static uint8_t part[65536];
  uint64_t at = 0;
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0; at += (uint64_t)n)
    for (ssize_t i = 0; i < n; i++) CHECK(part[i] == byte_at(at + (uint64_t)i));
  CHECK(at == length);
}

static bool can_be_direct(const char *directory) {
  int fd = open(directory, O_TMPFILE | O_RDWR | O_DIRECT, 0600);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static void sizes_of_every_kind(const char *directory) {
  unsigned int random = 1;
  bool was_direct = false;
  for (int round = 0; round < ROUNDS; round++) {
    struct piece_writer writer = {0};
    uint64_t length = 0;
    int fd = open(directory, O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0);
    for (int chunk = 0; chunk < round; chunk++) {
      random = random * 1103515245u + 12345u;
      size_t size = (random >> 8) % (chunk % 3 == 0 ? 5000 : LONGEST);
      CHECK(piece_writer_add(&writer, fd, bytes_at(length), size, chunk % 7 != 1 && size > 4000) == 0);
      length += size;
      was_direct |= writer.direct;
    }
    CHECK(piece_writer_finish(&writer, fd) == 0);
    CHECK(!writer.piece && !(fcntl(fd, F_GETFL) & O_DIRECT));
    verify(fd, length);
    close(fd);
  }
  CHECK(was_direct == can_be_direct(directory));
}

static void a_write_that_fails_is_reported(const char *directory) {
  struct rlimit limit = {700000, RLIM_INFINITY};
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  struct piece_writer writer = {0};
  int status = 0;
  int fd = open(directory, O_TMPFILE | O_RDWR, 0600);
  signal(SIGXFSZ, SIG_IGN);
  CHECK(fd >= 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
  for (uint64_t at = 0; status == 0 && at < 2000000; at += 100000) status = piece_writer_add(&writer, fd, bytes_at(at), 100000, true);
  CHECK(status == EFBIG);
  CHECK(writer.at > 0 && writer.at <= 700000 && lseek(fd, 0, SEEK_CUR) == (off_t)writer.at);
  CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
  piece_writer_free(&writer);
  CHECK(!writer.piece);
  close(fd);
}

int main(void) {
  static const char *const directories[] = {".", "/dev/shm"};
  for (size_t i = 0; i < sizeof source; i++) source[i] = (uint8_t)(i % 251);
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    sizes_of_every_kind(directories[i]);
    a_write_that_fails_is_reported(directories[i]);
  }
  return 0;
}
