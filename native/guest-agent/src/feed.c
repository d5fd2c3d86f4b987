#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "process.h"
#include "requests.h"
#include "transfer.h"

enum { DATA_PART = 65536 };

struct feed {
  struct job job; /* first: a job is its feed */
  struct feed *next;
  uint32_t handle;
  const struct feed_kind *kind;
  void *source;
  /* A worker's while `busy` */
  struct buffer request;
  struct buffer made; /* and not yet in the ring */
  enum making making;
  int status;
  /* The loop's */
  bool busy;
  bool opened;
  bool dropped; /* not in the table any more; freed when no job owns it */
  bool lost;    /* records were dropped, which must still be said */
  struct watch watch;
  struct ticket opener;
  struct ticket closer;
  struct ring ring;
  uint64_t sent;
  uint64_t limit;
  bool attached;
  bool ended; /* nothing more will be put */
  bool end_due;
};

struct feed *feed_find(struct agent *agent, uint32_t handle) {
  for (struct feed *f = agent->feeds; f; f = f->next)
    if (f->handle == handle) return f;
  return NULL;
}

static void submit(struct feed *feed, enum job_class class, void (*work)(struct job *), void (*done)(struct agent *, struct job *)) {
  feed->busy = true;
  feed->job = (struct job){.work = work, .done = done};
  job_submit(class, &feed->job);
}

/* --- on a worker --- */

static void work_open(struct job *job) {
  struct feed *feed = (struct feed *)job;
  struct reader r = {feed->request.bytes, buffer_length(&feed->request), false};
  feed->status = feed->kind->open(feed->source, &r, &feed->made);
}

static void work_make(struct job *job) {
  struct feed *feed = (struct feed *)job;
  feed->status = STATUS_OK;
  feed->making = feed->kind->make(feed->source, &feed->made, feed->kind->capacity / 2, &feed->status);
}

static void work_close(struct job *job) {
  struct feed *feed = (struct feed *)job;
  feed->kind->close(feed->source);
}

/* --- in the loop --- */

static bool put(struct ring *ring, const uint8_t *from, size_t length) {
  if (length > ring_free(ring)) return false;
  while (length > 0) {
    size_t room;
    uint8_t *at = ring_room(ring, &room);
    if (room > length) room = length;
    memcpy(at, from, room);
    ring_grow(ring, room);
    from += room;
    length -= room;
  }
  return true;
}

static void put_bytes(struct feed *feed) {
  size_t length = buffer_length(&feed->made);
  size_t room = ring_free(&feed->ring);
  if (length > room) length = room;
  if (length > 0) (void)put(&feed->ring, buffer_data(&feed->made), length);
  buffer_consume(&feed->made, length);
}

/* Says that records were lost, once there is room again. */
static void put_loss(struct feed *feed) {
  struct buffer record = {0};
  if (!feed->lost || ring_free(&feed->ring) < feed->ring.capacity / 2) return;
  feed->kind->put_loss(&record);
  feed->lost = !put(&feed->ring, buffer_data(&record), buffer_length(&record));
  buffer_free(&record);
}

static void put_records(struct feed *feed) {
  struct reader r = {buffer_data(&feed->made), buffer_length(&feed->made), false};
  while (r.left > 0 && !r.failed) {
    const uint8_t *record = r.at;
    (void)read_bytes(&r);
    put_loss(feed);
    if (feed->lost || r.failed || !put(&feed->ring, record, (size_t)(r.at - record))) feed->lost = true;
  }
  buffer_consume(&feed->made, buffer_length(&feed->made));
}

static void drain_made(struct feed *feed) {
  if (!feed->opened || feed->busy || feed->ended) return;
  if (buffer_length(&feed->made) == 0) {
    if (feed->kind->lossy) put_loss(feed);
  } else if (feed->kind->lossy) {
    put_records(feed);
  } else {
    put_bytes(feed);
  }
  if (feed->making == MAKING_DONE && buffer_length(&feed->made) == 0 && !feed->lost) feed->ended = feed->end_due = true;
}

static void closed(struct agent *agent, struct job *job) {
  struct feed *feed = (struct feed *)job;
  struct buffer body = {0};
  if (feed->closer.id != 0) lane_respond(agent, &feed->closer, STATUS_OK, &body);
  agent->feed_count--;
  buffer_free(&feed->request);
  buffer_free(&feed->made);
  ring_close(&feed->ring);
  free(feed);
}

static void made(struct agent *agent, struct job *job);

/* Begins what is due next, unless a job is under way: then its end comes back here. */
static void advance(struct agent *agent, struct feed *feed) {
  if (feed->busy) return;
  if (feed->dropped) {
    watch_set(agent, &feed->watch, 0);
    submit(feed, JOB_FILES, work_close, closed);
    return;
  }
  drain_made(feed);
  if (feed->ended || feed->making == MAKING_DONE) return;
  if (feed->kind->descriptor)
    watch_set(agent, &feed->watch, EPOLLIN);
  else if (feed->attached && buffer_length(&feed->made) == 0 && ring_free(&feed->ring) >= feed->ring.capacity / 2)
    submit(feed, JOB_PART, work_make, made);
}

static void made(struct agent *agent, struct job *job) {
  struct feed *feed = (struct feed *)job;
  feed->busy = false;
  advance(agent, feed);
}

static void readable(struct agent *agent, void *owner, uint32_t events) {
  struct feed *feed = owner;
  (void)events;
  watch_set(agent, &feed->watch, 0);
  if (!feed->busy) submit(feed, JOB_PART, work_make, made);
}

static void unlist(struct agent *agent, struct feed *feed) {
  struct feed **link = &agent->feeds;
  while (*link != feed) link = &(*link)->next;
  *link = feed->next;
  feed->dropped = true;
}

static void was_opened(struct agent *agent, struct job *job) {
  struct feed *feed = (struct feed *)job;
  struct buffer detail = feed->made;
  feed->busy = false;
  feed->made = (struct buffer){0};
  feed->opened = feed->status == STATUS_OK;
  if (feed->opened && feed->kind->descriptor) feed->watch = (struct watch){.ready = readable, .owner = feed, .fd = feed->kind->descriptor(feed->source)};
  lane_respond(agent, &feed->opener, feed->status, &detail);
  if (!feed->opened && !feed->dropped) unlist(agent, feed);
  advance(agent, feed);
}

static size_t count(const struct agent *agent, const struct feed_kind *kind) {
  size_t found = 0;
  for (const struct feed *f = agent->feeds; f; f = f->next) found += f->kind == kind;
  return found;
}

static int refuse(const struct agent *agent, const struct feed_kind *kind, bool in_use, struct reader *r, uint32_t handle, struct buffer *body) {
  if (r->failed || handle == 0 || handle >= 1u << 30) return fail_with(body, STATUS_BAD_REQUEST, "not a handle");
  if (in_use) return fail_with(body, STATUS_BAD_REQUEST, "handle is in use");
  if (count(agent, kind) >= kind->limit) return fail_with(body, STATUS_BUSY, "too many at once");
  return STATUS_OK;
}

int feed_begin(struct agent *agent, const struct ticket *ticket, const struct feed_kind *kind, void *source, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  bool in_use = feed_find(agent, handle) || transfer_exists(agent, handle) || process_find(agent, handle);
  int status = source ? refuse(agent, kind, in_use, r, handle, body) : ENOMEM;
  struct feed *feed = status == STATUS_OK ? calloc(1, sizeof *feed) : NULL;
  if (status == STATUS_OK && (!feed || !ring_open(&feed->ring, kind->capacity) || !buffer_append(&feed->request, r->at, r->left))) status = ENOMEM;
  if (status != STATUS_OK) {
    if (feed) ring_close(&feed->ring);
    free(feed);
    free(source);
    return status;
  }
  feed->handle = handle;
  feed->kind = kind;
  feed->source = source;
  feed->opener = *ticket;
  feed->watch.fd = -1;
  feed->next = agent->feeds;
  agent->feeds = feed;
  agent->feed_count++;
  submit(feed, JOB_FILES, work_open, was_opened);
  return STATUS_LATER;
}

bool feed_close(struct agent *agent, uint32_t handle, const struct ticket *ticket) {
  struct feed *feed = feed_find(agent, handle);
  if (!feed) return false;
  if (ticket) feed->closer = *ticket;
  unlist(agent, feed);
  advance(agent, feed);
  return true;
}

void feeds_close_all(struct agent *agent) {
  while (agent->feeds) (void)feed_close(agent, agent->feeds->handle, NULL);
}

void feeds_detach(struct agent *agent, int lane) {
  for (struct feed *f = agent->feeds; lane == 1 && f; f = f->next) f->attached = false;
}

bool feed_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit) {
  struct feed *feed = feed_find(agent, stream / 4);
  if (!feed) return false;
  if (stream % 4 != 1) return true;
  ring_release(&feed->ring, received);
  if (!feed->attached || feed->sent < feed->ring.start) feed->sent = feed->ring.start;
  feed->attached = true;
  feed->limit = limit;
  feed->end_due = feed->ended;
  if (feed->opened) advance(agent, feed);
  return true;
}

static void put_u64(uint8_t *to, uint64_t value) {
  for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static bool send_bytes(struct lane *lane, struct feed *feed) {
  size_t length;
  uint8_t head[8];
  if (feed->sent >= feed->ring.end || feed->sent >= feed->limit) return false;
  const uint8_t *bytes = ring_peek(&feed->ring, feed->sent, &length);
  if (length > DATA_PART) length = DATA_PART;
  if (length > feed->limit - feed->sent) length = (size_t)(feed->limit - feed->sent);
  put_u64(head, feed->sent);
  lane_send(lane, FRAME_DATA, feed->handle * 4 + 1, head, sizeof head, bytes, length);
  feed->sent += length;
  return true;
}

static bool pump_feed(struct lane *lane, struct feed *feed) {
  bool queued = false;
  if (!feed->attached || !feed->opened) return false;
  while (lane_has_room(lane) && send_bytes(lane, feed)) queued = true;
  if (!feed->end_due || feed->sent < feed->ring.end || !lane_has_room(lane)) return queued;
  uint8_t end[12] = {0};
  put_u64(end, feed->ring.end);
  end[8] = (uint8_t)feed->status;
  end[9] = (uint8_t)(feed->status >> 8);
  lane_send(lane, FRAME_END, feed->handle * 4 + 1, end, sizeof end, NULL, 0);
  feed->end_due = false;
  return true;
}

bool feeds_pump(struct agent *agent, struct lane *lane) {
  bool queued = false;
  if (lane->number != 1 || !lane_connected(lane)) return false;
  for (struct feed *f = agent->feeds; f; f = f->next) queued |= pump_feed(lane, f);
  return queued;
}
