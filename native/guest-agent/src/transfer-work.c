#define _GNU_SOURCE
#include "transfer-work.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "files.h"
#include "measure.h"
#include "status.h"

/* The answer describes the open file: its name may lead to another by now. */
static int open_regular(struct transfer_work *w) {
  struct stat st;
  /* O_NONBLOCK: a FIFO must not hold up a worker until a writer comes. */
  w->file.fd = open(w->file.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (w->file.fd < 0 || fstat(w->file.fd, &st)) return errno;
  if (S_ISDIR(st.st_mode)) return EISDIR;
  if (!S_ISREG(st.st_mode)) return fail_with(&w->answer, EINVAL, "not a regular file");
  uint64_t size = (uint64_t)st.st_size;
  w->unmeasured = is_unmeasured(w->file.fd, st.st_size);
  if (w->base > size && !w->unmeasured) w->base = size;
  if (w->length > size - w->base && !w->unmeasured) w->length = size - w->base;
  char final[PATH_MAX];
  int status = entry_describe(&w->answer, realpath(w->file.path, final) ? final : w->file.path, &st);
  write_u8(&w->answer, w->unmeasured);
  return status;
}

void work_open_for_reading(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  struct reader r = {w->request.bytes, buffer_length(&w->request), false};
  w->status = files_begin(&r, &w->file.user, w->file.path, &w->answer);
  w->base = read_u64(&r);
  w->length = read_u64(&r);
  if (w->status == STATUS_OK && !read_finished(&r)) w->status = fail_with(&w->answer, STATUS_BAD_REQUEST, "READ does not parse");
  if (w->status == STATUS_OK) w->status = open_regular(w);
  user_restore();
}

void work_open_for_writing(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  struct reader r = {w->request.bytes, buffer_length(&w->request), false};
  w->status = files_begin(&r, &w->file.user, w->file.path, &w->answer);
  if (w->status == STATUS_OK && !replacement_read(&w->file, &r)) w->status = fail_with(&w->answer, STATUS_BAD_REQUEST, "WRITE does not parse");
  if (w->status == STATUS_OK) w->status = replacement_judge(&w->file, &w->answer);
  if (w->status == STATUS_OK) w->status = replacement_open(&w->file);
  user_restore();
}

void work_read(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  ssize_t n;
  if (!w->part) w->part = malloc(w->part_limit);
  if (!w->part) {
    w->status = ENOMEM;
    return;
  }
  do {
    n = pread(w->file.fd, w->part, w->part_length, (off_t)(w->base + w->part_offset));
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
  size_t length = buffer_length(&w->chunk);
  w->status = piece_writer_add(&w->writer, w->file.fd, buffer_data(&w->chunk), length, w->may_gather && length >= LARGE_CHUNK);
  buffer_free(&w->chunk);
}

void work_commit(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  w->status = piece_writer_finish(&w->writer, w->file.fd);
  if (w->status == STATUS_OK) w->status = replacement_commit(&w->file, (struct commit){.durable = w->durable, .bounded = !w->unbounded}, &w->answer);
  if (w->status != STATUS_UNBOUNDED) replacement_close(&w->file);
}

void work_discard(struct job *job) {
  struct transfer_work *w = (struct transfer_work *)job;
  replacement_close(&w->file);
  w->status = STATUS_OK;
}
