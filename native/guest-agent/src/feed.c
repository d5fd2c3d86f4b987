#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "transfer.h"

enum { FEED_LIMIT = 96, DATA_PART = 65536 };

struct feed *feed_find(struct agent *agent, uint32_t handle) {
  for (struct feed *f = agent->feeds; f; f = f->next)
    if (f->handle == handle) return f;
  return NULL;
}

struct feed *feed_open(struct agent *agent, uint32_t handle, size_t capacity, int *status) {
  *status = STATUS_BAD_REQUEST;
  if (handle == 0 || handle >= 1u << 30 || feed_find(agent, handle) || transfer_exists(agent, handle) || process_find(agent, handle)) return NULL;
  *status = STATUS_BUSY;
  if (agent->feed_count >= FEED_LIMIT) return NULL;
  *status = ENOMEM;
  struct feed *feed = calloc(1, sizeof *feed);
  if (!feed || !ring_open(&feed->ring, capacity)) {
    free(feed);
    return NULL;
  }
  *status = STATUS_OK;
  feed->handle = handle;
  feed->next = agent->feeds;
  agent->feeds = feed;
  agent->feed_count++;
  return feed;
}

bool feed_put(struct feed *feed, const void *bytes, size_t length) {
  const uint8_t *from = bytes;
  if (length > ring_free(&feed->ring)) return false;
  while (length > 0) {
    size_t room;
    uint8_t *at = ring_room(&feed->ring, &room);
    if (room > length) room = length;
    memcpy(at, from, room);
    ring_grow(&feed->ring, room);
    from += room;
    length -= room;
  }
  return true;
}

void feed_end(struct feed *feed, int problem) {
  feed->ended = feed->end_due = true;
  feed->problem = problem;
}

bool feed_close(struct agent *agent, uint32_t handle) {
  for (struct feed **link = &agent->feeds; *link; link = &(*link)->next) {
    struct feed *feed = *link;
    if (feed->handle != handle) continue;
    *link = feed->next;
    agent->feed_count--;
    if (feed->close) feed->close(agent, feed->source);
    ring_close(&feed->ring);
    free(feed);
    return true;
  }
  return false;
}

void feeds_close_all(struct agent *agent) {
  while (agent->feeds) (void)feed_close(agent, agent->feeds->handle);
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
  if (!feed->attached) return false;
  while (lane_has_room(lane)) {
    if (feed->fill && !feed->ended && ring_free(&feed->ring) > 0) feed->fill(feed, feed->source);
    if (!send_bytes(lane, feed)) break;
    queued = true;
  }
  if (!feed->end_due || feed->sent < feed->ring.end || !lane_has_room(lane)) return queued;
  uint8_t end[12] = {0};
  put_u64(end, feed->ring.end);
  end[8] = (uint8_t)feed->problem;
  end[9] = (uint8_t)(feed->problem >> 8);
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
