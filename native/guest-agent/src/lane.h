/* One lane: a byte pipe to the host with handshake, frames, and the requests under way on it. */
#ifndef WRENN_LANE_H
#define WRENN_LANE_H

#include "frame.h"

struct agent;
struct watch;

/* Names one request for a late answer. Ids start again with every host link, serial numbers never do. */
struct ticket {
  int lane;
  uint32_t id; /* 0: none */
  uint64_t serial;
};

/* A request that was received and whose response the host may still ask for again. */
struct request {
  struct request *next;
  uint32_t id;
  uint64_t serial;
  bool done;
  int status;
  struct buffer body;
};

struct lane {
  int number;
  int fd;       /* -1 while nobody is connected (test mode only) */
  int listener; /* test mode: unix socket that takes one connection at a time */
  struct watch *watch;
  struct watch *listener_watch;
  bool unread; /* there may be bytes to read or to handle */
  struct parser parser;
  struct buffer output;
  struct hello connection; /* the hello of the current connection */
  struct request *requests;
  size_t request_count;
  struct buffer partial; /* parts of a request so far */
  uint32_t partial_id;   /* 0: no request is in parts */
  bool partial_refused;  /* too large: the rest of its parts is skipped */
};

bool lane_open_port(struct agent *agent, int number, const char *name);
bool lane_listen(struct agent *agent, int number, const char *path);
/* Reads and handles one turn's worth of what the host sent; true when there may be more. */
bool lane_read(struct agent *agent, struct lane *lane);
/* Whether more output should be queued now. */
bool lane_has_room(const struct lane *lane);
bool lane_connected(const struct lane *lane);
void lane_send(struct lane *lane, enum frame_type type, uint32_t id, const void *head, size_t head_length, const void *tail, size_t tail_length);
/* Writes queued output until the pipe is full; true when anything moved. */
bool lane_flush(struct lane *lane);
/* Answers a request; `body` is taken over and emptied. A ticket whose link is over is fine. */
void lane_respond(struct agent *agent, const struct ticket *ticket, int status, struct buffer *body);

#endif
