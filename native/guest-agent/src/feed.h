/* A stream to the host on the bulk lane that the guest makes up as it goes: a tar archive, the events of a watch. */
#ifndef WRENN_FEED_H
#define WRENN_FEED_H

#include "jobs.h"
#include "request-table.h"
#include "stream-table.h"
#include "wire.h"

enum making { MAKING_MORE, MAKING_DONE };

/* What makes the bytes. All functions but `descriptor` run on a worker, never two at once for one source. */
struct feed_kind {
  size_t capacity; /* of the ring */
  size_t limit;    /* feeds of this kind at once */
  enum job_class class; /* of the jobs that make bytes */
  /* Bytes are records behind a u32 length; a record that finds no room is dropped, and `loss` is put in its place. */
  bool lossy;
  void (*put_loss)(struct buffer *to);
  /* Reads the request's body behind the handle; STATUS_OK or the status to answer. */
  int (*open)(void *source, struct reader *r, struct buffer *detail);
  /* Appends bytes, stopping soon after `enough` of them. */
  enum making (*make)(void *source, struct buffer *made, size_t enough, int *status);
  void (*close)(void *source);
  /* Readable when there is something to make; NULL where there always is. */
  int (*descriptor)(const void *source);
};

struct feeds {
  struct loop *loop;
  struct jobs *jobs;
  struct stream_table *streams;
};

/* Begins a feed for a request whose next field is the handle; `source` is taken over. STATUS_LATER or the status to answer. */
int feed_begin(struct feeds *feeds, const struct ticket *ticket, const struct feed_kind *kind, void *source, struct reader *r, struct buffer *body);

#endif
