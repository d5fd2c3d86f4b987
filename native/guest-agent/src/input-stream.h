/* Host to guest: what one stream has received, and the windows that ask for more. */
#ifndef WRENN_INPUT_STREAM_H
#define WRENN_INPUT_STREAM_H

#include "lane.h"

struct input_stream {
  uint32_t id;
  uint64_t received;
  bool window_due; /* the host is to learn where the stream stands */
};

/* The window of a stream into a file, with `others` open: many take smaller ones, so that a slow disk does not fill the guest's memory. */
static inline size_t input_file_window(size_t others) {
  enum { MANY = 8, WINDOW = 1 << 20, SMALL_WINDOW = 1 << 17 };
  return others < MANY ? WINDOW : SMALL_WINDOW;
}

/* Skips what is known of bytes that arrived; returns how many are new: none when all are known or there is a gap before them. */
size_t input_skip_known(struct input_stream *stream, uint64_t offset, const uint8_t **bytes, size_t length);
/* Queues the window if it is due and there is room: `room` more bytes are taken. With `problem` (0: none) the host sends no more. */
bool input_pump(struct input_stream *stream, struct lane *lane, size_t room, int problem);

#endif
