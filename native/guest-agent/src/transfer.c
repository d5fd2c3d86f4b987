#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"
#include "process.h"
#include "requests.h"
#include "transfer-work.h"

/* Uploads beyond MANY take smaller windows, so that a slow disk does not fill the guest's memory with them. */
enum { TRANSFER_LIMIT = 256, MANY = 8, WINDOW = 1 << 20, SMALL_WINDOW = 1 << 17 };

struct transfer {
  struct transfer_work work; /* first: a job's work is its transfer */
  struct transfer *next;
  uint32_t handle;
  bool writing;
  bool busy;    /* a job owns `work` */
  bool opened;  /* and answered */
  bool dropped; /* not in the table any more; freed when no job owns it */
  struct ticket opener;
  struct ticket closer;
  int problem;
  /* reading */
  uint64_t sent;
  uint64_t limit;
  bool attached;
  bool end_due;
  /* writing */
  size_t window;
  uint64_t received;
  size_t pending; /* received, and not yet written */
  struct buffer inbox;
  bool window_due;
  struct ticket committer;
};

static struct transfer *find(struct agent *agent, uint32_t handle) {
  for (struct transfer *t = agent->transfers; t; t = t->next)
    if (t->handle == handle) return t;
  return NULL;
}

bool transfer_exists(struct agent *agent, uint32_t handle) { return find(agent, handle) != NULL; }

static void submit(struct transfer *t, enum job_class class, void (*work)(struct job *), void (*done)(struct agent *, struct job *)) {
  t->busy = true;
  t->work.job = (struct job){.work = work, .done = done};
  job_submit(class, &t->work.job);
}

static void release(struct agent *agent, struct transfer *t) {
  agent->transfer_count--;
  free(t->work.part);
  buffer_free(&t->work.request);
  buffer_free(&t->work.answer);
  buffer_free(&t->work.chunk);
  buffer_free(&t->inbox);
  free(t);
}

static void unlist(struct agent *agent, struct transfer *transfer) {
  struct transfer **link = &agent->transfers;
  while (*link != transfer) link = &(*link)->next;
  *link = transfer->next;
  transfer->dropped = true;
}

static void discarded(struct agent *agent, struct job *job) {
  struct transfer *t = (struct transfer *)job;
  struct buffer body = {0};
  if (t->committer.id != 0) lane_respond(agent, &t->committer, ECANCELED, &body);
  if (t->closer.id != 0) lane_respond(agent, &t->closer, STATUS_OK, &body);
  release(agent, t);
}

static void committed(struct agent *agent, struct job *job) {
  struct transfer *t = (struct transfer *)job;
  lane_respond(agent, &t->committer, t->work.status, &t->work.answer);
  release(agent, t);
}

static void written(struct agent *agent, struct job *job);

/* Begins what is due next, unless a job is under way: then its end comes back here. */
static void advance(struct agent *agent, struct transfer *t) {
  if (t->busy) return;
  if (t->dropped) {
    submit(t, JOB_FILES, work_discard, discarded);
  } else if (buffer_length(&t->inbox) > 0 && !t->problem) {
    t->work.chunk = t->inbox;
    t->inbox = (struct buffer){0};
    submit(t, JOB_PART, work_write, written);
  } else if (t->committer.id != 0) {
    unlist(agent, t);
    if (t->problem) {
      struct buffer body = {0};
      lane_respond(agent, &t->committer, t->problem, &body);
      t->committer = (struct ticket){0};
      advance(agent, t);
    } else {
      submit(t, JOB_FILES, work_commit, committed);
    }
  }
}

static void written(struct agent *agent, struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  t->pending = buffer_length(&t->inbox);
  t->window_due = true;
  if (t->work.status != STATUS_OK) t->problem = t->work.status;
  advance(agent, t);
}

static void part_read(struct agent *agent, struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  if (t->work.status != STATUS_OK) {
    t->problem = t->work.status;
    t->end_due = true;
  }
  advance(agent, t);
}

static void was_opened(struct agent *agent, struct job *job) {
  struct transfer *t = (struct transfer *)job;
  t->busy = false;
  t->opened = t->work.status == STATUS_OK;
  if (t->opened && t->writing) write_u64(&t->work.answer, t->window);
  lane_respond(agent, &t->opener, t->work.status, &t->work.answer);
  if (!t->opened && !t->dropped) unlist(agent, t);
  advance(agent, t);
}

int request_open(struct agent *agent, const struct ticket *ticket, bool writing, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  if (r->failed || handle == 0 || handle >= 1u << 30) return fail_with(body, STATUS_BAD_REQUEST, "not a handle");
  if (find(agent, handle) || feed_find(agent, handle) || process_find(agent, handle)) return fail_with(body, STATUS_BAD_REQUEST, "handle is in use");
  if (agent->transfer_count >= TRANSFER_LIMIT) return fail_with(body, STATUS_BUSY, "too many transfers");
  struct transfer *t = calloc(1, sizeof *t);
  if (!t || !buffer_append(&t->work.request, r->at, r->left)) {
    free(t);
    return ENOMEM;
  }
  t->work.fd = -1;
  t->handle = handle;
  t->writing = writing;
  t->opener = *ticket;
  t->window = agent->transfer_count < MANY ? WINDOW : SMALL_WINDOW;
  t->end_due = !writing;
  t->next = agent->transfers;
  agent->transfers = t;
  agent->transfer_count++;
  submit(t, JOB_FILES, writing ? work_open_for_writing : work_open_for_reading, was_opened);
  return STATUS_LATER;
}

int request_commit(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct transfer *t = find(agent, read_u32(r));
  uint64_t size = read_u64(r);
  bool durable = read_u8(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "COMMIT does not parse");
  if (!t || !t->writing || !t->opened) return STATUS_UNKNOWN_HANDLE;
  if (t->committer.id != 0) return fail_with(body, STATUS_BUSY, "it is being committed");
  if (!t->problem && t->received != size) {
    unlist(agent, t);
    advance(agent, t);
    return fail_with(body, EIO, "size differs from what arrived");
  }
  /* A worker may be reading `work`, but not this field: only a commit does, and none has begun. */
  t->work.durable = durable;
  t->committer = *ticket;
  advance(agent, t);
  return STATUS_LATER;
}

int request_close(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "CLOSE does not parse");
  if (feed_close(agent, handle, ticket)) return STATUS_LATER;
  struct transfer *t = find(agent, handle);
  if (!t) return STATUS_UNKNOWN_HANDLE;
  t->closer = *ticket;
  unlist(agent, t);
  advance(agent, t);
  return STATUS_LATER;
}

void transfers_close_all(struct agent *agent) {
  while (agent->transfers) {
    struct transfer *t = agent->transfers;
    unlist(agent, t);
    advance(agent, t);
  }
}

void transfers_detach(struct agent *agent, int lane) {
  for (struct transfer *t = agent->transfers; lane == 1 && t; t = t->next) t->attached = false;
}

bool transfer_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit) {
  struct transfer *t = find(agent, stream / 4);
  if (!t) return false;
  if (t->writing) {
    t->window_due = true;
    return true;
  }
  if (!t->attached) t->sent = received;
  t->attached = true;
  t->limit = limit;
  t->end_due = true;
  return true;
}

bool transfer_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct transfer *t = find(agent, stream / 4);
  if (!t || !t->writing || stream % 4 != 0) return t != NULL;
  t->window_due = true;
  if (offset > t->received || t->received - offset >= length) return true;
  size_t known = (size_t)(t->received - offset);
  size_t fresh = length - known;
  if (fresh > t->window - t->pending) fresh = t->window - t->pending;
  if (t->problem || !buffer_append(&t->inbox, bytes + known, fresh)) return true;
  t->received += fresh;
  t->pending += fresh;
  if (t->opened) advance(agent, t);
  return true;
}

static void put_u64(uint8_t *to, uint64_t value) {
  for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static void send_end(struct lane *lane, uint32_t stream, uint64_t offset, int problem) {
  uint8_t end[12] = {0};
  put_u64(end, offset);
  end[8] = (uint8_t)problem;
  end[9] = (uint8_t)(problem >> 8);
  lane_send(lane, FRAME_END, stream, end, sizeof end, NULL, 0);
}

/* Sends what was read ahead if it is what comes next. */
static bool send_part(struct lane *lane, struct transfer *t) {
  const struct transfer_work *w = &t->work;
  uint8_t head[8];
  if (w->part_length == 0 || t->sent < w->part_offset || t->sent >= w->part_offset + w->part_length || t->sent >= t->limit) return false;
  size_t skip = (size_t)(t->sent - w->part_offset);
  size_t length = w->part_length - skip;
  if (length > t->limit - t->sent) length = (size_t)(t->limit - t->sent);
  put_u64(head, t->sent);
  lane_send(lane, FRAME_DATA, t->handle * 4 + 1, head, sizeof head, w->part + skip, length);
  t->sent += length;
  return true;
}

static void read_ahead(struct transfer *t) {
  struct transfer_work *w = &t->work;
  if (t->problem || t->sent >= w->length || t->sent >= t->limit) return;
  if (w->part_length > 0 && t->sent >= w->part_offset && t->sent < w->part_offset + w->part_length) return;
  uint64_t want = w->length - t->sent;
  w->part_offset = t->sent;
  w->part_length = want < READ_PART ? (size_t)want : READ_PART;
  submit(t, JOB_PART, work_read, part_read);
}

static bool pump_reading(struct lane *lane, struct transfer *t) {
  bool queued = false;
  if (!t->attached || !t->opened || t->busy) return false;
  if (t->sent > t->work.length) t->sent = t->work.length;
  if (lane_has_room(lane)) queued = send_part(lane, t);
  read_ahead(t);
  if (t->busy) return queued;
  if (t->end_due && (t->problem || t->sent >= t->work.length) && lane_has_room(lane)) {
    send_end(lane, t->handle * 4 + 1, t->sent, t->problem);
    t->end_due = false;
    queued = true;
  }
  return queued;
}

static bool pump_writing(struct lane *lane, struct transfer *t) {
  if (!t->window_due || !t->opened || !lane_has_room(lane)) return false;
  uint8_t window[16];
  put_u64(window, t->received);
  put_u64(window + 8, t->received + t->window - t->pending);
  lane_send(lane, FRAME_WINDOW, t->handle * 4, window, sizeof window, NULL, 0);
  if (t->problem) send_end(lane, t->handle * 4, t->received, t->problem);
  t->window_due = false;
  return true;
}

bool transfers_pump(struct agent *agent, struct lane *lane) {
  bool queued = false;
  if (lane->number != 1 || !lane_connected(lane)) return false;
  for (struct transfer *t = agent->transfers; t; t = t->next) queued |= t->writing ? pump_writing(lane, t) : pump_reading(lane, t);
  return queued;
}
