#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "output-stream.h"
#include "status.h"

struct feed {
  struct job job; /* first: a job is its feed */
  struct stream stream;
  struct feeds *feeds;
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
  bool primed; /* what the beginning made known was asked for */
  bool dropped; /* removed from the table; freed when no job owns it */
  bool lost;    /* records were dropped, which must still be said */
  struct watch watch;
  struct ticket opener;
  struct ticket closer;
  struct ring ring;
  struct output_stream output;
  bool ended; /* nothing more will be put */
};

static void submit(struct feed *feed, enum job_class class, void (*work)(struct job *), void (*done)(struct job *)) {
  feed->busy = true;
  feed->job = (struct job){.work = work, .done = done};
  job_submit(feed->feeds->jobs, class, &feed->job);
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
  if (feed->making == MAKING_DONE && buffer_length(&feed->made) == 0 && !feed->lost) feed->ended = true;
}

static void closed(struct job *job) {
  struct feed *feed = (struct feed *)job;
  struct buffer body = {0};
  request_answer(&feed->closer, STATUS_OK, &body);
  buffer_free(&feed->request);
  buffer_free(&feed->made);
  ring_close(&feed->ring);
  free(feed);
}

static void made(struct job *job);

/* Begins what is due next, unless a job is under way: then its end comes back here. */
static void advance(struct feed *feed) {
  if (feed->busy) return;
  if (feed->dropped) {
    watch_set(feed->feeds->loop, &feed->watch, 0);
    submit(feed, JOB_FILES, work_close, closed);
    return;
  }
  drain_made(feed);
  if (feed->ended || feed->making == MAKING_DONE) return;
  if (feed->kind->descriptor && !feed->primed) {
    feed->primed = true;
    submit(feed, feed->kind->class, work_make, made);
  } else if (feed->kind->descriptor)
    watch_set(feed->feeds->loop, &feed->watch, EPOLLIN);
  else if (feed->output.attached && buffer_length(&feed->made) == 0 && ring_free(&feed->ring) >= feed->ring.capacity / 2)
    submit(feed, feed->kind->class, work_make, made);
}

static void made(struct job *job) {
  struct feed *feed = (struct feed *)job;
  feed->busy = false;
  advance(feed);
}

static void readable(void *owner, uint32_t events) {
  struct feed *feed = owner;
  (void)events;
  watch_set(feed->feeds->loop, &feed->watch, 0);
  if (!feed->busy) submit(feed, feed->kind->class, work_make, made);
}

static void unlist(struct feed *feed) {
  stream_remove(feed->feeds->streams, &feed->stream);
  feed->dropped = true;
}

static void was_opened(struct job *job) {
  struct feed *feed = (struct feed *)job;
  struct buffer detail = feed->made;
  feed->busy = false;
  feed->made = (struct buffer){0};
  feed->opened = feed->status == STATUS_OK;
  if (feed->opened && feed->kind->descriptor) feed->watch = (struct watch){.ready = readable, .owner = feed, .fd = feed->kind->descriptor(feed->source)};
  request_answer(&feed->opener, feed->status, &detail);
  if (!feed->opened && !feed->dropped) unlist(feed);
  advance(feed);
}

static struct feed *feed_of(struct stream *stream) { return STREAM_OWNER(stream, struct feed, stream); }

static void window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  struct feed *feed = feed_of(stream);
  if (n != STREAM_OUTPUT) return;
  ring_release(&feed->ring, received);
  output_window(&feed->output, received, feed->ring.end, limit);
  if (feed->opened) advance(feed);
}

static void detach(struct stream *stream) { feed_of(stream)->output.attached = false; }

static bool pump(struct stream *stream, struct lane *lane) {
  struct feed *feed = feed_of(stream);
  return feed->opened && output_pump(&feed->output, lane, &feed->ring, feed->ended, feed->ended ? feed->status : STATUS_OK);
}

static void close_feed(struct stream *stream, const struct ticket *ticket) {
  struct feed *feed = feed_of(stream);
  if (ticket) feed->closer = *ticket;
  unlist(feed);
  advance(feed);
}

static const struct stream_kind feed_streams = {.window = window, .detach = detach, .pump = pump, .close = close_feed};

static bool is_of_kind(const struct stream *stream, const void *kind) {
  return stream->kind == &feed_streams && STREAM_OWNER(stream, const struct feed, stream)->kind == kind;
}

static int refuse(const struct feeds *feeds, const struct feed_kind *kind, const struct reader *r, uint32_t handle, struct buffer *body) {
  int status = stream_check_handle(feeds->streams, r->failed ? 0 : handle, body);
  if (status == STATUS_OK && streams_count(feeds->streams, LANE_BULK, is_of_kind, kind) >= kind->limit) status = fail_with(body, STATUS_BUSY, "too many at once");
  return status;
}

int feed_begin(struct feeds *feeds, const struct ticket *ticket, const struct feed_kind *kind, void *source, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  int status = source ? refuse(feeds, kind, r, handle, body) : ENOMEM;
  struct feed *feed = status == STATUS_OK ? calloc(1, sizeof *feed) : NULL;
  if (status == STATUS_OK && (!feed || !ring_open(&feed->ring, kind->capacity) || !buffer_append(&feed->request, r->at, r->left))) status = ENOMEM;
  if (status != STATUS_OK) {
    if (feed) ring_close(&feed->ring);
    free(feed);
    free(source);
    return status;
  }
  feed->stream = (struct stream){.kind = &feed_streams, .handle = handle, .lane = LANE_BULK};
  feed->feeds = feeds;
  feed->output.id = stream_id(handle, STREAM_OUTPUT);
  feed->kind = kind;
  feed->source = source;
  feed->opener = *ticket;
  feed->watch.fd = -1;
  stream_add(feeds->streams, &feed->stream);
  submit(feed, JOB_FEED, work_open, was_opened);
  return STATUS_LATER;
}
