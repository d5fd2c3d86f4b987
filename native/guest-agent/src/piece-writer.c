#define _GNU_SOURCE
#include "piece-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status.h"

enum { PIECE = 524288, BLOCK = 4096 };

static bool set_direct(struct piece_writer *writer, int fd, bool direct) {
  if (writer->direct == direct) return true;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT)) return false;
  writer->direct = direct;
  return true;
}

static int write_ordinary(struct piece_writer *writer, int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    writer->at += (uint64_t)n;
    bytes += n;
    length -= (size_t)n;
  }
  return STATUS_OK;
}

/* A file system may take the flag and refuse the write, or take a part of a block: then the rest is written in the ordinary way. */
static int write_piece(struct piece_writer *writer, int fd) {
  const uint8_t *bytes = writer->piece;
  size_t length = writer->length;
  writer->length = 0;
  if (!set_direct(writer, fd, true)) writer->ordinary = true;
  while (writer->direct && length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EINVAL) return errno;
    if (n > 0) {
      bytes += n;
      length -= (size_t)n;
      writer->at += (uint64_t)n;
    }
    if (n > 0 && length % BLOCK == 0) continue;
    writer->ordinary = true;
    if (!set_direct(writer, fd, false)) return EIO;
  }
  return write_ordinary(writer, fd, bytes, length);
}

int piece_writer_finish(struct piece_writer *writer, int fd) {
  size_t length = writer->length;
  writer->ordinary = true;
  writer->length = 0;
  int status = set_direct(writer, fd, false) ? write_ordinary(writer, fd, writer->piece, length) : EIO;
  piece_writer_free(writer);
  return status;
}

/* Gathers bytes from a block's border on; returns how many come before it. */
static size_t begin(struct piece_writer *writer, size_t length) {
  size_t before = (BLOCK - (size_t)(writer->at % BLOCK)) % BLOCK;
  if (before > length) return length;
  if (posix_memalign((void **)&writer->piece, BLOCK, PIECE)) {
    writer->piece = NULL;
    return length;
  }
  return before;
}

int piece_writer_add(struct piece_writer *writer, int fd, const uint8_t *bytes, size_t length, bool gather) {
  int status = STATUS_OK;
  if (!writer->piece) {
    size_t before = gather && !writer->ordinary ? begin(writer, length) : length;
    status = write_ordinary(writer, fd, bytes, before);
    bytes += before;
    length -= before;
  }
  while (status == STATUS_OK && !writer->ordinary && length > 0) {
    size_t part = PIECE - writer->length < length ? PIECE - writer->length : length;
    memcpy(writer->piece + writer->length, bytes, part);
    writer->length += part;
    bytes += part;
    length -= part;
    if (writer->length == PIECE) status = write_piece(writer, fd);
  }
  if (status == STATUS_OK && length > 0) status = write_ordinary(writer, fd, bytes, length);
  return status;
}

void piece_writer_free(struct piece_writer *writer) {
  free(writer->piece);
  writer->piece = NULL;
  writer->length = 0;
}
