#define _GNU_SOURCE
#include "upload-stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "input-stream.h"
#include "piece-writer.h"
#include "status.h"

struct upload_stream {
  struct job job; /* first: a job is its stream */
  struct stream stream;
  struct upload *upload;
  struct input_stream input;
  uint64_t start; /* where in the file its first byte is */
  size_t window;
  size_t pending; /* received, and not yet written */
  struct buffer inbox;
  bool dropped; /* not in the table; freed when no job owns it */
  int problem;
  /* A worker's while `busy` */
  bool busy;
  struct buffer chunk;
  struct piece_writer writer;
  bool may_gather; /* few others do */
  struct buffer answer;
  int status;
  /* The end */
  struct ticket closer;
  struct ticket finisher;
  uint64_t count; /* bytes that count, of those that arrived */
  bool commit;
  bool unbounded; /* the commit runs among what may take long */
};

/* --- on a worker --- */

static void work_write(struct job *job) {
  struct upload_stream *s = (struct upload_stream *)job;
  size_t length = buffer_length(&s->chunk);
  int fd = s->upload->file.fd;
  /* Those who appended before may have left the file's position behind bytes that do not count. */
  bool is_first = s->writer.at == s->start && s->writer.length == 0;
  if (is_first && lseek(fd, (off_t)s->start, SEEK_SET) < 0)
    s->status = errno;
  else
    s->status = piece_writer_add(&s->writer, fd, buffer_data(&s->chunk), length, s->may_gather && length >= LARGE_CHUNK);
  buffer_free(&s->chunk);
}

static void work_flush(struct job *job) {
  struct upload_stream *s = (struct upload_stream *)job;
  s->status = piece_writer_finish(&s->writer, s->upload->file.fd);
}

static void work_commit(struct job *job) {
  struct upload_stream *s = (struct upload_stream *)job;
  s->status = replacement_commit(&s->upload->file, (struct commit){.bounded = !s->unbounded}, &s->answer);
}

/* --- in the loop --- */

static void submit(struct upload_stream *s, enum job_class class, void (*work)(struct job *), void (*done)(struct job *)) {
  s->busy = true;
  s->job = (struct job){.work = work, .done = done};
  job_submit(s->upload->uploads->jobs, class, &s->job);
}

static void unlist(struct upload_stream *s) {
  if (!s->dropped) stream_remove(s->upload->uploads->streams, &s->stream);
  s->dropped = true;
}

static void release(struct upload_stream *s) {
  struct buffer body = {0};
  request_answer(&s->closer, STATUS_OK, &body);
  s->upload->uploads->streaming--;
  upload_release(s->upload);
  buffer_free(&s->inbox);
  buffer_free(&s->chunk);
  piece_writer_free(&s->writer);
  buffer_free(&s->answer);
  free(s);
}

static void answer_finish(struct upload_stream *s, int status, bool committed) {
  struct buffer body = {0};
  if (status == STATUS_OK) {
    write_u64(&body, s->upload->offset);
    write_u64(&body, upload_left(s->upload));
    write_u8(&body, committed);
  }
  if (committed || status != STATUS_OK) (void)buffer_append(&body, buffer_data(&s->answer), buffer_length(&s->answer));
  request_answer(&s->finisher, status, &body);
}

static void committed(struct job *job) {
  struct upload_stream *s = (struct upload_stream *)job;
  if (s->status == STATUS_UNBOUNDED) {
    s->unbounded = true;
    submit(s, JOB_TREE, work_commit, committed);
    return;
  }
  answer_finish(s, s->status, s->status == STATUS_OK);
  if (s->status == STATUS_OK && !s->upload->dropped) upload_drop(s->upload);
  release(s);
}

/* Everything that arrived is written, or cannot be. */
static void finish(struct upload_stream *s) {
  struct upload *upload = s->upload;
  unlist(s);
  if (s->count < upload->offset - s->start) upload->offset = s->start + s->count;
  int status = upload->dropped ? STATUS_UNKNOWN_HANDLE : s->problem;
  if (status == STATUS_OK && upload->offset - s->start != s->count) status = fail_with(&s->answer, EIO, "size differs from what arrived");
  if (status == STATUS_OK && s->commit && upload->offset == upload->size) {
    submit(s, JOB_FILES, work_commit, committed);
    return;
  }
  answer_finish(s, status, false);
  release(s);
}

static void written(struct job *job);

/* Begins what is due next, unless a job is under way: then its end comes back here. What has arrived is written in any case. */
static void advance(struct upload_stream *s) {
  if (s->busy) return;
  if (buffer_length(&s->inbox) > 0 && !s->problem && !s->upload->dropped) {
    s->chunk = s->inbox;
    s->inbox = (struct buffer){0};
    submit(s, JOB_PART, work_write, written);
  } else if (s->writer.piece && (s->finisher.table || s->dropped)) {
    submit(s, JOB_PART, work_flush, written);
  } else if (s->finisher.table) {
    finish(s);
  } else if (s->dropped) {
    release(s);
  }
}

static void written(struct job *job) {
  struct upload_stream *s = (struct upload_stream *)job;
  s->busy = false;
  s->pending = buffer_length(&s->inbox);
  s->input.window_due = true;
  if (s->writer.at > s->upload->offset) upload_touch(s->upload);
  /* What is gathered counts when it is in the file. */
  s->upload->offset = s->writer.at;
  if (s->status != STATUS_OK) s->problem = s->status;
  advance(s);
}

static struct upload_stream *upload_stream_of(struct stream *stream) { return STREAM_OWNER(stream, struct upload_stream, stream); }

static void receive(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct upload_stream *s = upload_stream_of(stream);
  size_t fresh = input_skip_known(&s->input, offset, &bytes, length);
  if (fresh > s->window - s->pending) fresh = s->window - s->pending;
  if (s->upload->dropped) s->problem = ECANCELED;
  if (fresh > s->upload->size - s->start - s->input.received) s->problem = EFBIG;
  if (fresh == 0 || s->problem || !buffer_append(&s->inbox, bytes, fresh)) return;
  s->input.received += fresh;
  s->pending += fresh;
  advance(s);
}

static void window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  (void)received;
  (void)limit;
  if (n == STREAM_INPUT) upload_stream_of(stream)->input.window_due = true;
}

static void detach(struct stream *stream) { (void)stream; }

static bool pump(struct stream *stream, struct lane *lane) {
  struct upload_stream *s = upload_stream_of(stream);
  return input_pump(&s->input, lane, s->window - s->pending, s->problem);
}

static void close_stream(struct stream *stream, const struct ticket *ticket) {
  struct upload_stream *s = upload_stream_of(stream);
  if (ticket) s->closer = *ticket;
  unlist(s);
  advance(s);
}

static const struct stream_kind upload_streams = {.receive = receive, .window = window, .detach = detach, .pump = pump, .close = close_stream};

static int refuse(const struct upload *upload, uint64_t offset, struct buffer *body) {
  char digits[24];
  if (upload->busy) return EALREADY;
  if (upload->offset == offset) return STATUS_OK;
  snprintf(digits, sizeof digits, "%llu", (unsigned long long)upload->offset);
  return fail_with(body, STATUS_OFFSET_DIFFERS, digits);
}

int request_upload_write(struct uploads *uploads, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  struct upload *upload = upload_find(uploads, r);
  uint64_t offset = read_u64(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "UPLOAD_WRITE does not parse");
  int status = stream_check_handle(uploads->streams, handle, body);
  if (status == STATUS_OK) status = upload ? refuse(upload, offset, body) : STATUS_UNKNOWN_HANDLE;
  if (status != STATUS_OK) return status;
  struct upload_stream *s = calloc(1, sizeof *s);
  if (!s) return ENOMEM;
  s->stream = (struct stream){.kind = &upload_streams, .handle = handle, .lane = LANE_BULK};
  s->upload = upload;
  s->input.id = stream_id(handle, STREAM_INPUT);
  s->start = s->writer.at = offset;
  s->window = input_file_window(uploads->streaming);
  s->may_gather = uploads->streaming < FEW_GATHERERS;
  upload->busy = true;
  uploads->streaming++;
  stream_add(uploads->streams, &s->stream);
  upload_describe(upload, body);
  return STATUS_OK;
}

int request_upload_finish(struct uploads *uploads, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct stream *stream = stream_find(uploads->streams, read_u32(r));
  uint64_t count = read_u64(r);
  bool commit = read_u8(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "UPLOAD_FINISH does not parse");
  if (!stream || stream->kind != &upload_streams) return STATUS_UNKNOWN_HANDLE;
  struct upload_stream *s = upload_stream_of(stream);
  if (s->finisher.table) return fail_with(body, STATUS_BUSY, "it is being finished");
  s->finisher = *ticket;
  s->count = count;
  s->commit = commit;
  advance(s);
  return STATUS_LATER;
}
