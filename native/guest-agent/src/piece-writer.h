/*
 * Writes the bytes of a large file in whole blocks, past the page cache: a page of the cache costs the guest more than its bytes.
 * Small files, and file systems that cannot do it, get ordinary writes.
 */
#ifndef WRENN_PIECE_WRITER_H
#define WRENN_PIECE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk that is this long is the beginning of a large file. While this many files are written, no other one gathers pieces. */
enum { LARGE_CHUNK = 32768, FEW_GATHERERS = 8 };

struct piece_writer {
  uint8_t *piece; /* whole blocks that are gathered; NULL while writes are ordinary */
  size_t length;
  uint64_t at; /* bytes before them: that many are in the file, also after a failure */
  bool direct;
  bool ordinary; /* for good */
};

/* Takes bytes that follow those before, and writes them now or later; STATUS_OK or an errno. `gather`: pieces may be gathered from here on. */
int piece_writer_add(struct piece_writer *writer, int fd, const uint8_t *bytes, size_t length, bool gather);
/* Writes what was gathered. Afterwards writes are ordinary. */
int piece_writer_finish(struct piece_writer *writer, int fd);
void piece_writer_free(struct piece_writer *writer);

#endif
