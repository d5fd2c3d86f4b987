#include "transfer.h"

#include <errno.h>
#include <stdlib.h>

#include "input-stream.h"
#include "output-stream.h"
#include "status.h"
#include "transfer-work.h"

enum { TRANSFER_LIMIT = 256, FEW_TRANSFERS = 8 };

struct transfer {
  struct transfer_work work; /* first: a job's work is its transfer */
  struct stream stream;
  struct transfers *transfers;
  bool writing;
  bool busy;    /* a job owns `work` */
  bool opened;  /* and answered */
  bool dropped; /* removed from the table; freed when no job owns it */
  struct ticket opener;
  struct ticket closer;
  int problem;
  struct output_stream output; /* reading */
  /* writing */
  struct input_stream input;
  size_t window;
  size_t pending; /* received, and not yet written */
  struct buffer inbox;
  struct ticket committer;
};

static void submit(struct transfer *t, enum job_class class, void (*work)(struct job *), void (*done)(struct job *)) {
  t->busy = true;
  t->work.job = (struct job){.work = work, .done = done};
  job_submit(t->transfers->jobs, class, &t->work.job);
}

static void release(struct transfer *t) {
  t->transfers->count--;
  free(t->work.part);
  piece_writer_free(&t->work.writer);
  buffer_free(&t->work.request);
  buffer_free(&t->work.answer);
  buffer_free(&t->work.chunk);
  buffer_free(&t->inbox);
  free(t);
}

static void unlist(struct transfer *t) {
  stream_remove(t->transfers->streams, &t->stream);
  t->dropped = true;
}

static void discarded(struct job *job) {
  struct transfer *t = (struct transfer *)job;
  struct buffer body = {0};
  request_answer(&t->committer, ECANCELED, &body);
  request_answer(&t->closer, STATUS_OK, &body);
  release(t);
}

static void committed(struct job *job) {
  struct transfer *t = (struct transfer *)job;
  if (t->work.status == STATUS_UNBOUNDED) {
    t->work.unbounded = true;
    submit(t, JOB_TREE, work_commit, committed);
    return;
  }
  request_answer(&t->committer, t->work.status, &t->work.answer);
  release(t);
}

static void written(struct job *job);

/* Begins what is due next, unless a job is under way: then its end comes back here. */
static void advance(struct transfer *t) {
  if (t->busy) return;
  if (t->dropped) {
    submit(t, JOB_FILES, work_discard, discarded);
  } else if (buffer_length(&t->inbox) > 0 && !t->problem) {
    t->work.chunk = t->inbox;
    t->inbox = (struct buffer){0};
    submit(t, JOB_PART, work_write, written);
  } else if (t->committer.table) {
    unlist(t);
    if (t->problem) {
      struct buffer body = {0};
      request_answer(&t->committer, t->problem, &body);
      t->committer = (struct ticket){0};
      advance(t);
    } else {
      submit(t, JOB_FILES, work_commit, committed);
    }
  }
}

static void written(struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  t->pending = buffer_length(&t->inbox);
  t->input.window_due = true;
  if (t->work.status != STATUS_OK) t->problem = t->work.status;
  advance(t);
}

static void part_read(struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  if (t->work.status != STATUS_OK) {
    t->problem = t->work.status;
    t->output.end_due = true;
  }
  advance(t);
}

static void was_opened(struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  t->opened = t->work.status == STATUS_OK;
  if (t->opened && t->writing) write_u64(&t->work.answer, t->window);
  request_answer(&t->opener, t->work.status, &t->work.answer);
  if (!t->opened && !t->dropped) unlist(t);
  advance(t);
}

static struct transfer *transfer_of(struct stream *stream) { return STREAM_OWNER(stream, struct transfer, stream); }

static void detach(struct stream *stream) { transfer_of(stream)->output.attached = false; }

static void close_transfer(struct stream *stream, const struct ticket *ticket) {
  struct transfer *t = transfer_of(stream);
  if (ticket) t->closer = *ticket;
  unlist(t);
  advance(t);
}

static void reading_window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  if (n == STREAM_OUTPUT) output_window(&transfer_of(stream)->output, received, UINT64_MAX, limit);
}

/* Sends what was read ahead if it is what comes next. */
static bool send_part(struct lane *lane, struct transfer *t) {
  const struct transfer_work *w = &t->work;
  uint64_t sent = t->output.sent;
  if (w->part_length == 0 || sent < w->part_offset || sent >= w->part_offset + w->part_length) return false;
  size_t skip = (size_t)(sent - w->part_offset);
  return output_send(&t->output, lane, w->part + skip, w->part_length - skip);
}

static void read_ahead(struct transfer *t) {
  struct transfer_work *w = &t->work;
  uint64_t sent = t->output.sent;
  if (t->problem || sent >= w->length || sent >= t->output.limit) return;
  if (w->part_length > 0 && sent >= w->part_offset && sent < w->part_offset + w->part_length) return;
  uint64_t wanted = w->length - sent;
  w->part_offset = sent;
  w->part_length = wanted < w->part_limit ? (size_t)wanted : w->part_limit;
  submit(t, JOB_PART, work_read, part_read);
}

static bool reading_pump(struct stream *stream, struct lane *lane) {
  struct transfer *t = transfer_of(stream);
  if (!t->output.attached || !t->opened || t->busy) return false;
  if (t->output.sent > t->work.length) t->output.sent = t->work.length;
  bool queued = send_part(lane, t);
  read_ahead(t);
  if (!t->busy && (t->problem || t->output.sent >= t->work.length)) queued |= output_send_end(&t->output, lane, t->problem);
  return queued;
}

static void writing_window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  (void)received;
  (void)limit;
  if (n == STREAM_INPUT) transfer_of(stream)->input.window_due = true;
}

static void writing_receive(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct transfer *t = transfer_of(stream);
  size_t fresh = input_skip_known(&t->input, offset, &bytes, length);
  if (fresh > t->window - t->pending) fresh = t->window - t->pending;
  if (fresh == 0 || t->problem || !buffer_append(&t->inbox, bytes, fresh)) return;
  t->input.received += fresh;
  t->pending += fresh;
  if (t->opened) advance(t);
}

static bool writing_pump(struct stream *stream, struct lane *lane) {
  struct transfer *t = transfer_of(stream);
  return t->opened && input_pump(&t->input, lane, t->window - t->pending, t->problem);
}

static const struct stream_kind reading_streams = {.window = reading_window, .detach = detach, .pump = reading_pump, .close = close_transfer};
static const struct stream_kind writing_streams = {
    .receive = writing_receive, .window = writing_window, .detach = detach, .pump = writing_pump, .close = close_transfer};

int request_open(struct transfers *transfers, const struct ticket *ticket, bool writing, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  int status = stream_check_handle(transfers->streams, r->failed ? 0 : handle, body);
  if (status != STATUS_OK) return status;
  if (transfers->count >= TRANSFER_LIMIT) return fail_with(body, STATUS_BUSY, "too many transfers");
  struct transfer *t = calloc(1, sizeof *t);
  if (!t || !buffer_append(&t->work.request, r->at, r->left)) {
    free(t);
    return ENOMEM;
  }
  t->stream = (struct stream){.kind = writing ? &writing_streams : &reading_streams, .handle = handle, .lane = LANE_BULK};
  t->transfers = transfers;
  t->work.file.fd = -1;
  t->writing = writing;
  t->opener = *ticket;
  t->window = input_file_window(transfers->count);
  t->work.may_gather = transfers->count < FEW_TRANSFERS;
  t->work.part_limit = t->work.may_gather ? LARGE_READ_PART : READ_PART;
  t->input.id = stream_id(handle, STREAM_INPUT);
  t->output.id = stream_id(handle, STREAM_OUTPUT);
  transfers->count++;
  stream_add(transfers->streams, &t->stream);
  submit(t, JOB_FILES, writing ? work_open_for_writing : work_open_for_reading, was_opened);
  return STATUS_LATER;
}

static struct transfer *find_upload(const struct transfers *transfers, uint32_t handle) {
  struct stream *stream = stream_find(transfers->streams, handle);
  return stream && stream->kind == &writing_streams ? transfer_of(stream) : NULL;
}

int request_commit(struct transfers *transfers, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct transfer *t = find_upload(transfers, read_u32(r));
  uint64_t size = read_u64(r);
  bool durable = read_u8(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "COMMIT does not parse");
  if (!t || !t->opened) return STATUS_UNKNOWN_HANDLE;
  if (t->committer.table) return fail_with(body, STATUS_BUSY, "it is being committed");
  if (!t->problem && t->input.received != size) {
    unlist(t);
    advance(t);
    return fail_with(body, EIO, "size differs from what arrived");
  }
  /* A worker may be reading `work`, but not this field: only a commit does, and none has begun. */
  t->work.durable = durable;
  t->committer = *ticket;
  advance(t);
  return STATUS_LATER;
}
