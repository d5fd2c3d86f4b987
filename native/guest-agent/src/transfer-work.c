#define _GNU_SOURCE
#include "transfer-work.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "status.h"

enum { FLAG_PARENTS = 1, FLAG_EXCLUSIVE = 2, FLAGS = 3 };

/* The user's rights end with the call that needed them, whichever way it ends. */
static int as_user(struct transfer_work *w, int (*call)(struct transfer_work *w)) {
  int status = user_assume(&w->user) ? call(w) : EPERM;
  user_restore();
  return status;
}

static int open_regular(struct transfer_work *w) {
  struct stat st;
  /* O_NONBLOCK: a FIFO must not hold up a worker until a writer comes. */
  w->fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (w->fd < 0 || fstat(w->fd, &st)) return errno;
  if (S_ISDIR(st.st_mode)) return EISDIR;
  if (!S_ISREG(st.st_mode)) return fail_with(&w->answer, EINVAL, "not a regular file");
  uint64_t size = (uint64_t)st.st_size;
  /* Files of /proc say that they are empty: only reading tells where they end. */
  w->unmeasured = size == 0;
  if (w->base > size && !w->unmeasured) w->base = size;
  if (w->length > size - w->base && !w->unmeasured) w->length = size - w->base;
  char final[PATH_MAX];
  return entry_write(&w->answer, realpath(w->path, final) ? final : w->path);
}

void work_open_for_reading(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  struct reader r = {w->request.bytes, buffer_length(&w->request), false};
  w->status = files_begin(&r, &w->user, w->path, &w->answer);
  w->base = read_u64(&r);
  w->length = read_u64(&r);
  if (w->status == STATUS_OK && !read_finished(&r)) w->status = fail_with(&w->answer, STATUS_BAD_REQUEST, "READ does not parse");
  if (w->status == STATUS_OK) w->status = open_regular(w);
  user_restore();
}

static int open_temporary(struct transfer_work *w, const struct stat *replaced, mode_t mode) {
  uint32_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  size_t parent = (size_t)(strrchr(w->path, '/') - w->path);
  if (w->path[parent + 1] == 0) return EISDIR;
  if (snprintf(w->temporary, sizeof w->temporary, "%.*s/.wrenn-upload-%08x", (int)parent, w->path, random) > PATH_LIMIT) {
    w->temporary[0] = 0;
    return ENAMETOOLONG;
  }
  w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (w->fd < 0) {
    w->temporary[0] = 0;
    return errno;
  }
  if (fchmod(w->fd, replaced ? replaced->st_mode & 07777 : mode)) return errno;
  /* Keeping a foreign owner takes the right to give files away; whoever lacks it owns the new file. */
  if (replaced && fchown(w->fd, replaced->st_uid, replaced->st_gid) && errno != EPERM) return errno;
  return STATUS_OK;
}

static int prepare_target(struct transfer_work *w, mode_t mode, uint32_t flags) {
  struct stat st;
  char final[PATH_MAX];
  /* Writing through a link replaces what the link points to, not the link. */
  if (realpath(w->path, final)) {
    if (strlen(final) > PATH_LIMIT) return ENAMETOOLONG;
    memcpy(w->path, final, strlen(final) + 1);
  }
  bool exists = stat(w->path, &st) == 0;
  if (exists && w->exclusive) return EEXIST;
  if (exists && S_ISDIR(st.st_mode)) return EISDIR;
  if (exists && !S_ISREG(st.st_mode)) return fail_with(&w->answer, EINVAL, "not a regular file");
  /* A file that may not be written may not be replaced either. AT_EACCESS: by the rights taken on for this call. */
  if (exists && faccessat(AT_FDCWD, w->path, W_OK, AT_EACCESS)) return errno;
  int problem = flags & FLAG_PARENTS ? path_make_parents(w->path) : 0;
  return problem ? problem : open_temporary(w, exists ? &st : NULL, mode);
}

void work_open_for_writing(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  struct reader r = {w->request.bytes, buffer_length(&w->request), false};
  w->status = files_begin(&r, &w->user, w->path, &w->answer);
  mode_t mode = read_u32(&r) & 07777;
  uint32_t flags = read_u32(&r);
  w->exclusive = flags & FLAG_EXCLUSIVE;
  if (w->status == STATUS_OK && (!read_finished(&r) || flags > FLAGS)) w->status = fail_with(&w->answer, STATUS_BAD_REQUEST, "WRITE does not parse");
  if (w->status == STATUS_OK) w->status = prepare_target(w, mode, flags);
  user_restore();
}

void work_read(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  ssize_t n;
  if (!w->part) w->part = malloc(READ_PART);
  if (!w->part) {
    w->status = ENOMEM;
    return;
  }
  do {
    n = pread(w->fd, w->part, w->part_length, (off_t)(w->base + w->part_offset));
  } while (n < 0 && errno == EINTR);
  if (n == 0 && w->unmeasured) {
    w->length = w->part_offset;
    w->part_length = 0;
    w->status = STATUS_OK;
    return;
  }
  /* The file became shorter while it was read: what was promised cannot be delivered. */
  w->status = n > 0 ? STATUS_OK : n < 0 ? errno : EIO;
  w->part_length = n > 0 ? (size_t)n : 0;
}

void work_write(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  w->status = STATUS_OK;
  while (buffer_length(&w->chunk) > 0) {
    ssize_t n = write(w->fd, buffer_data(&w->chunk), buffer_length(&w->chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      w->status = errno;
      break;
    }
    buffer_consume(&w->chunk, (size_t)n);
  }
  buffer_free(&w->chunk);
}

static int replace_target(struct transfer_work *w) {
  struct stat st;
  if (w->exclusive && lstat(w->path, &st) == 0) return EEXIST;
  if (rename(w->temporary, w->path)) return errno;
  w->temporary[0] = 0;
  return entry_write(&w->answer, w->path);
}

static int remove_temporary(struct transfer_work *w) { return unlink(w->temporary) ? errno : STATUS_OK; }

void work_commit(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  w->status = w->durable && fsync(w->fd) ? errno : as_user(w, replace_target);
  int status = w->status;
  work_discard(job);
  w->status = status;
}

void work_discard(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  if (w->temporary[0]) (void)as_user(w, remove_temporary);
  w->temporary[0] = 0;
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
  w->status = STATUS_OK;
}
