/* A stream to the host on the bulk lane that the guest makes up as it goes: a tar archive, the events of a watch. */
#ifndef WRENN_FEED_H
#define WRENN_FEED_H

#include "agent.h"
#include "ring.h"

struct feed {
  struct feed *next;
  uint32_t handle;
  struct ring ring;
  uint64_t sent;
  uint64_t limit;
  bool attached;
  bool ended; /* nothing more will be put */
  bool end_due;
  int problem; /* status of END */
  /* Puts more bytes into the ring if there are any; NULL where bytes come by themselves. */
  void (*fill)(struct feed *feed, void *source);
  void (*close)(struct agent *agent, void *source);
  void *source;
};

/* A new feed, or NULL when the handle is in use, there are too many, or memory is short; `status` says which. */
struct feed *feed_open(struct agent *agent, uint32_t handle, size_t capacity, int *status);
struct feed *feed_find(struct agent *agent, uint32_t handle);
/* Puts all the bytes, or none when they do not fit. */
bool feed_put(struct feed *feed, const void *bytes, size_t length);
void feed_end(struct feed *feed, int problem);
/* False when there is no such feed. */
bool feed_close(struct agent *agent, uint32_t handle);
void feeds_close_all(struct agent *agent);
void feeds_detach(struct agent *agent, int lane);
bool feed_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit);
bool feeds_pump(struct agent *agent, struct lane *lane);

#endif
