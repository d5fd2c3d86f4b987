/* One lane: a byte pipe to the host, with its handshake and its frames. What frames mean is up to its events' owner. */
#ifndef WRENN_LANE_H
#define WRENN_LANE_H

#include "frame.h"
#include "loop.h"

enum lane_id { LANE_INTERACTIVE, LANE_BULK, LANES };

struct lane;

struct lane_events {
  /* A new connection, of a new link or of the one before. Nothing was sent on it yet. */
  void (*on_session)(void *owner, struct lane *lane, bool new_link);
  /* REQUEST or ANSWERED. */
  void (*on_request)(void *owner, struct lane *lane, const struct frame *frame);
  /* DATA, WINDOW or END. */
  void (*on_stream)(void *owner, struct lane *lane, const struct frame *frame);
};

struct lane {
  enum lane_id id;
  struct loop *loop;
  uint64_t instance; /* of the agent, for the welcome */
  const struct lane_events *events;
  void *owner;
  struct watch pipe;     /* without a descriptor while no host is connected (test mode only) */
  const char *port;      /* of a guest: the name of its port */
  struct watch retry;    /* a timer, while the port is gone */
  struct watch listener; /* test mode: unix socket that takes one connection at a time */
  bool unread;           /* there may be bytes to read or to handle */
  struct parser parser;
  struct buffer output;
  struct hello session; /* the hello of the current connection */
};

void lane_init(struct lane *lane, enum lane_id id, struct loop *loop, uint64_t instance, const struct lane_events *events, void *owner);
/* Opens the virtio port of that name. */
bool lane_open_port(struct lane *lane, const char *name);
bool lane_listen(struct lane *lane, const char *path);
/* Serves the host behind `fd`, which the lane takes over. */
void lane_connect(struct lane *lane, int fd);
/* Reads and handles one turn's worth of what the host sent; true when there may be more. */
bool lane_read(struct lane *lane);
bool lane_connected(const struct lane *lane);
/* Whether more output should be queued now. */
bool lane_has_room(const struct lane *lane);
/* Queues one frame; without a connection it is dropped. */
void lane_send(struct lane *lane, enum frame_type type, uint8_t flags, uint32_t id, const void *head, size_t head_length, const void *tail, size_t tail_length);
/* Writes queued output until the pipe is full; true when anything moved. */
bool lane_flush(struct lane *lane);

#endif
