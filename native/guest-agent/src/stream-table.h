/* Everything with a handle: where frames of its streams go, and in which order the streams of a lane send. */
#ifndef WRENN_STREAM_TABLE_H
#define WRENN_STREAM_TABLE_H

#include <stddef.h>

#include "lane.h"

enum { STREAM_INPUT, STREAM_OUTPUT, STREAM_ERRORS, STREAMS_PER_HANDLE = 4, HANDLE_LIMIT = 1 << 30, STREAM_BUCKETS = 1024 };

static inline uint32_t stream_id(uint32_t handle, uint32_t n) { return handle * STREAMS_PER_HANDLE + n; }

struct stream;
struct ticket;

/* What the owner of a handle does with its streams. All but `window`, `detach` and `pump` may be NULL: then it ignores that. */
struct stream_kind {
  /* Bytes of the host, for STREAM_INPUT. */
  void (*receive)(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length);
  void (*end)(struct stream *stream, uint64_t offset);
  void (*window)(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit);
  /* A new connection on its lane: nothing is sent until the host attaches each stream again. */
  void (*detach)(struct stream *stream);
  /* Queues what the lane has room for; true when anything was queued. */
  bool (*pump)(struct stream *stream, struct lane *lane);
  /* Ends it and removes it from the table; answers the ticket, if there is one, when everything is closed. NULL: it outlives links. */
  void (*close)(struct stream *stream, const struct ticket *ticket);
};

/* The streams of one handle; its owner embeds this. */
struct stream {
  const struct stream_kind *kind;
  uint32_t handle;
  enum lane_id lane; /* which it sends on */
  struct stream *bucket_next;
  struct stream *lane_next; /* the streams of a lane form a ring */
  struct stream *lane_previous;
};

#define STREAM_OWNER(stream, type, member) ((type *)(void *)((char *)(stream) - offsetof(type, member)))

struct stream_table {
  struct stream *buckets[STREAM_BUCKETS];
  struct stream *turn[LANES]; /* which sends next */
};

/* STATUS_OK, or the status to answer to a host that chose this handle for something new. */
int stream_check_handle(const struct stream_table *table, uint32_t handle, struct buffer *detail);
void stream_add(struct stream_table *table, struct stream *stream);
void stream_remove(struct stream_table *table, struct stream *stream);
struct stream *stream_find(const struct stream_table *table, uint32_t handle);
/* How many streams of a lane `match` accepts. */
size_t streams_count(const struct stream_table *table, enum lane_id lane, bool (*match)(const struct stream *stream, const void *context), const void *context);

/* Takes a DATA, WINDOW or END frame. */
void streams_receive(struct stream_table *table, const struct frame *frame);
void streams_detach(struct stream_table *table, enum lane_id lane);
/* The link of a lane has ended: closes what does not outlive it. */
void streams_close(struct stream_table *table, enum lane_id lane);
/* Lets each stream of a lane queue what there is room for, beginning where room ran out; true when anything was queued. */
bool streams_pump(struct stream_table *table, struct lane *lane);

#endif
