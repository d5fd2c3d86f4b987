#include "output-stream.h"

#include "wire.h"

enum { OFFSET = 8, STATUS = 4, RING_PART = 65536 };

void output_window(struct output_stream *stream, uint64_t received, uint64_t produced, uint64_t limit) {
  if (!stream->attached) stream->sent = received < produced ? received : produced;
  stream->attached = true;
  stream->limit = limit;
  stream->end_due = true;
}

bool output_send(struct output_stream *stream, struct lane *lane, const uint8_t *bytes, size_t length) {
  uint8_t head[OFFSET];
  if (stream->sent >= stream->limit || length == 0) return false;
  if (length > MAX_PAYLOAD - OFFSET) length = MAX_PAYLOAD - OFFSET;
  if (length > stream->limit - stream->sent) length = (size_t)(stream->limit - stream->sent);
  store_u64(head, stream->sent);
  lane_send(lane, FRAME_DATA, 0, stream->id, head, sizeof head, bytes, length);
  stream->sent += length;
  return true;
}

bool output_send_end(struct output_stream *stream, struct lane *lane, int status) {
  uint8_t end[OFFSET + STATUS] = {0};
  if (!stream->end_due || !lane_has_room(lane)) return false;
  store_u64(end, stream->sent);
  end[OFFSET] = (uint8_t)status;
  end[OFFSET + 1] = (uint8_t)(status >> 8);
  lane_send(lane, FRAME_END, 0, stream->id, end, sizeof end, NULL, 0);
  stream->end_due = false;
  return true;
}

bool output_pump(struct output_stream *stream, struct lane *lane, const struct ring *ring, bool ended, int status) {
  bool queued = false;
  if (!stream->attached) return false;
  /* The host learns from the jump of the offset what it missed. */
  if (stream->sent < ring->start) stream->sent = ring->start;
  while (stream->sent < ring->end && lane_has_room(lane)) {
    size_t length;
    const uint8_t *bytes = ring_peek(ring, stream->sent, &length);
    if (!output_send(stream, lane, bytes, length < RING_PART ? length : RING_PART)) break;
    queued = true;
  }
  if (ended && stream->sent >= ring->end) queued |= output_send_end(stream, lane, status);
  return queued;
}
