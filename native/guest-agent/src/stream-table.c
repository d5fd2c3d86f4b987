#include "stream-table.h"

#include "status.h"
#include "wire.h"

/* Hosts count handles up, so the low bits spread them evenly. */
static struct stream **bucket_of(const struct stream_table *table, uint32_t handle) { return (struct stream **)&table->buckets[handle % STREAM_BUCKETS]; }

struct stream *stream_find(const struct stream_table *table, uint32_t handle) {
  for (struct stream *s = *bucket_of(table, handle); s; s = s->bucket_next)
    if (s->handle == handle) return s;
  return NULL;
}

int stream_check_handle(const struct stream_table *table, uint32_t handle, struct buffer *detail) {
  if (handle == 0 || handle >= HANDLE_LIMIT) return fail_with(detail, STATUS_BAD_REQUEST, "not a handle");
  if (stream_find(table, handle)) return fail_with(detail, STATUS_BAD_REQUEST, "handle is in use");
  return STATUS_OK;
}

void stream_add(struct stream_table *table, struct stream *stream) {
  struct stream **bucket = bucket_of(table, stream->handle);
  struct stream **turn = &table->turn[stream->lane];
  stream->bucket_next = *bucket;
  *bucket = stream;
  stream->lane_next = *turn ? *turn : stream;
  stream->lane_previous = *turn ? (*turn)->lane_previous : stream;
  stream->lane_next->lane_previous = stream->lane_previous->lane_next = stream;
  *turn = stream;
}

void stream_remove(struct stream_table *table, struct stream *stream) {
  struct stream **link = bucket_of(table, stream->handle);
  struct stream **turn = &table->turn[stream->lane];
  while (*link != stream) link = &(*link)->bucket_next;
  *link = stream->bucket_next;
  if (*turn == stream) *turn = stream->lane_next == stream ? NULL : stream->lane_next;
  stream->lane_next->lane_previous = stream->lane_previous;
  stream->lane_previous->lane_next = stream->lane_next;
}

size_t streams_count(const struct stream_table *table, enum lane_id lane, bool (*match)(const struct stream *stream, const void *context), const void *context) {
  size_t count = 0;
  const struct stream *first = table->turn[lane];
  const struct stream *s = first;
  if (s) do {
      count += match(s, context);
      s = s->lane_next;
    } while (s != first);
  return count;
}

void streams_receive(struct stream_table *table, const struct frame *frame) {
  struct stream *stream = stream_find(table, frame->id / STREAMS_PER_HANDLE);
  uint32_t n = frame->id % STREAMS_PER_HANDLE;
  struct reader r = {frame->payload, frame->length, false};
  uint64_t offset = read_u64(&r);
  if (!stream || r.failed) return;
  if (frame->type == FRAME_WINDOW) {
    uint64_t limit = read_u64(&r);
    if (!r.failed) stream->kind->window(stream, n, offset, limit);
  } else if (n != STREAM_INPUT) {
    return;
  } else if (frame->type == FRAME_DATA && r.left > 0 && stream->kind->receive) {
    stream->kind->receive(stream, offset, r.at, r.left);
  } else if (frame->type == FRAME_END && stream->kind->end) {
    stream->kind->end(stream, offset);
  }
}

void streams_detach(struct stream_table *table, enum lane_id lane) {
  struct stream *first = table->turn[lane];
  struct stream *s = first;
  if (s) do {
      s->kind->detach(s);
      s = s->lane_next;
    } while (s != first);
}

void streams_close(struct stream_table *table, enum lane_id lane) {
  struct stream *s = table->turn[lane];
  if (!s) return;
  /* Closing removes the stream from the ring, the first one too: the last one is known beforehand. */
  const struct stream *last = s->lane_previous;
  for (bool more = true; more;) {
    struct stream *next = s->lane_next;
    more = s != last;
    if (s->kind->close) s->kind->close(s, NULL);
    s = next;
  }
}

bool streams_pump(struct stream_table *table, struct lane *lane) {
  bool queued = false;
  struct stream **turn = &table->turn[lane->id];
  const struct stream *first = *turn;
  if (!first || !lane_connected(lane)) return false;
  do {
    if (!lane_has_room(lane)) break;
    queued |= (*turn)->kind->pump(*turn, lane);
    *turn = (*turn)->lane_next;
  } while (*turn != first);
  return queued;
}
