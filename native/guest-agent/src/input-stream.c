#include "input-stream.h"

#include "wire.h"

size_t input_skip_known(struct input_stream *stream, uint64_t offset, const uint8_t **bytes, size_t length) {
  /* Whatever arrived is answered by a window. After a gap the host resumes from it. */
  stream->window_due = true;
  if (offset > stream->received || stream->received - offset >= length) return 0;
  size_t known = (size_t)(stream->received - offset);
  *bytes += known;
  return length - known;
}

bool input_pump(struct input_stream *stream, struct lane *lane, size_t room, int problem) {
  uint8_t window[16];
  if (!stream->window_due || !lane_has_room(lane)) return false;
  store_u64(window, stream->received);
  store_u64(window + 8, stream->received + room);
  lane_send(lane, FRAME_WINDOW, 0, stream->id, window, sizeof window, NULL, 0);
  if (problem) {
    uint8_t end[12] = {0};
    store_u64(end, stream->received);
    end[8] = (uint8_t)problem;
    end[9] = (uint8_t)(problem >> 8);
    lane_send(lane, FRAME_END, 0, stream->id, end, sizeof end, NULL, 0);
  }
  stream->window_due = false;
  return true;
}
