/* Guest to host: where one stream stands, and the frames that carry it. */
#ifndef WRENN_OUTPUT_STREAM_H
#define WRENN_OUTPUT_STREAM_H

#include "lane.h"
#include "ring.h"

struct output_stream {
  uint32_t id;
  uint64_t sent;  /* the next byte to send */
  uint64_t limit; /* the host takes bytes below */
  bool attached;  /* the host said on this connection where it stands */
  bool end_due;   /* END is to be sent (again) after the last byte */
};

/* The host has everything below `received`, of `produced` bytes so far, and takes bytes below `limit`. */
void output_window(struct output_stream *stream, uint64_t received, uint64_t produced, uint64_t limit);
/* Queues bytes that begin at `sent`, as many as fit one frame and the limit; false when there is no room for any. */
bool output_send(struct output_stream *stream, struct lane *lane, const uint8_t *bytes, size_t length);
/* Queues END if it is due; the bytes are all sent. */
bool output_send_end(struct output_stream *stream, struct lane *lane, int status);
/* Queues what a ring holds and the lane has room for, then END if the ring has ended; true when anything was queued. */
bool output_pump(struct output_stream *stream, struct lane *lane, const struct ring *ring, bool ended, int status);

#endif
