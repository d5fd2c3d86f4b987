#define _GNU_SOURCE
#include "in-place.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "copy-content.h"

/* Finds the room for `size` bytes; what file systems cannot promise is found out while writing. */
static int reserve(int fd, off_t size, off_t before) {
  if (size == 0) return 0;
  while (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size)) {
    if (errno == EINTR) continue;
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) return 0;
    int problem = errno;
    /* Frees what was found so far. */
    (void)!ftruncate(fd, before);
    return problem;
  }
  return 0;
}

static int write_content(const struct in_place *work, int fd, off_t size, off_t before) {
  off_t at = 0;
  int problem = reserve(fd, size, before);
  if (!problem) problem = range_copy(work->content, fd, &at, size, NULL);
  if (problem) return problem;
  if (at < size) return EIO;
  if (before > size && ftruncate(fd, size)) return errno;
  /* Nothing was written, which is a change of the file all the same. */
  if (size == 0 && futimens(fd, NULL)) return errno;
  return work->durable && fsync(fd) ? errno : 0;
}

static int keep_mode(const struct in_place *work, int fd, struct stat *st) {
  if (fstat(fd, st)) return errno;
  if (!work->may_chmod || (st->st_mode & 07777) == work->mode) return 0;
  if (fchmod(fd, work->mode)) return errno;
  return fstat(fd, st) ? errno : 0;
}

int write_in_place(const struct in_place *work, struct stat *st) {
  struct stat content;
  /* O_NONBLOCK: what became a FIFO meanwhile must not hold up a worker. */
  int fd = open(work->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return errno;
  int problem = fstat(fd, st) || fstat(work->content, &content) ? errno : S_ISREG(st->st_mode) ? 0 : EINVAL;
  if (!problem) {
    problem = write_content(work, fd, content.st_size, st->st_size);
    int kept = keep_mode(work, fd, st);
    if (!problem) problem = kept;
  }
  close(fd);
  return problem;
}
