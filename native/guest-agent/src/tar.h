/*
 * Headers of a POSIX pax archive (IEEE Std 1003.1, "pax Interchange Format").
 * Names come from the guest's file system and may hold any byte but NUL; what ustar cannot say goes into a pax record.
 */
#ifndef WRENN_TAR_H
#define WRENN_TAR_H

#include <sys/stat.h>

#include "buffer.h"

enum { TAR_BLOCK = 512 };

/* Appends the header of one entry; `link` is the target of a symbolic link, else "". False for what tar cannot hold, such as sockets. */
bool tar_header(struct buffer *out, const char *name, const char *link, const struct stat *st);
/* Appends the two empty blocks that end an archive. */
void tar_finish(struct buffer *out);
/* Zero bytes that fill the last block of `size` bytes of content. */
size_t tar_padding(uint64_t size);

#endif
