/*
 * Reads a tar archive from a descriptor, a member at a time: ustar, pax records (IEEE Std 1003.1, "pax Interchange Format") and GNU's long
 * names. The bytes come from a client, and the reader runs as root in that client's own guest: every length is checked before use.
 */
#ifndef WRENN_TAR_READER_H
#define WRENN_TAR_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TAR_PATH = 4096, TAR_READER_BLOCK = 512 };

struct tar_member {
  char path[TAR_PATH];
  /* Of a link. */
  char target[TAR_PATH];
  /* As the header has it: '0' is a file. */
  char type;
  mode_t mode;
  uint64_t size;
  int64_t modified;
};

struct tar_reader {
  int fd;
  /* Bytes of the content of the last member that were not read, and what fills its last block. */
  uint64_t left;
  uint64_t padding;
  unsigned char block[TAR_READER_BLOCK];
};

enum tar_read { TAR_READ_MEMBER, TAR_READ_END, TAR_READ_BROKEN };

/* The next member; what is left of the content of the one before is skipped. Empty blocks between members are, too. */
enum tar_read tar_reader_next(struct tar_reader *reader, struct tar_member *member);
/* Up to `size` bytes of the content of the member; 0 at its end, -1 where the archive ends before. */
ssize_t tar_reader_content(struct tar_reader *reader, void *bytes, size_t size);

#endif
