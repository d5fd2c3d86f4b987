/*
 * Requests of one lane: put together from their frames, handled at most once, answered now or later.
 * An answer is kept until the host says that it has it, and is sent again when its request is.
 */
#ifndef WRENN_REQUEST_TABLE_H
#define WRENN_REQUEST_TABLE_H

#include "lane.h"
#include "wire.h"

struct request_table;
struct request;

/* Names one request for a later answer. Ids start again with every host link, serial numbers never do. */
struct ticket {
  struct request_table *table; /* NULL: no request */
  uint32_t id;
  uint64_t serial;
};

/* Handles one request; the answer's body (or, for errors, its detail) goes into `body`. STATUS_LATER: request_answer is called later. */
typedef int request_handler(void *owner, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);

struct request_table {
  struct lane *lane;
  request_handler *handle;
  void *owner;
  uint64_t serial;
  struct request *requests;
  size_t count;
  struct buffer partial; /* parts of a request so far */
  uint32_t partial_id;   /* 0: no request is in parts */
  bool partial_refused;  /* too large: the rest of its parts is skipped */
};

void requests_init(struct request_table *table, struct lane *lane, request_handler *handle, void *owner);
/* Takes a REQUEST or ANSWERED frame. */
void requests_receive(struct request_table *table, const struct frame *frame);
/* A new connection: what was in parts is lost, and with a new link every request is. */
void requests_reconnect(struct request_table *table, bool new_link);
/* Answers a request; `body` is taken over and emptied. Of a request whose link is over, the answer is dropped. */
void request_answer(const struct ticket *ticket, int status, struct buffer *body);
/* Whether a request is under way: not answered yet, and of the current link. */
bool request_pending(const struct ticket *ticket);

#endif
