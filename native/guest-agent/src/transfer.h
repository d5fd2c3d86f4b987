/* Streamed contents of files: READ, WRITE with COMMIT. What touches a disk is in transfer-work.c, on workers. */
#ifndef WRENN_TRANSFER_H
#define WRENN_TRANSFER_H

#include "jobs.h"
#include "request-table.h"
#include "stream-table.h"

struct transfers {
  struct jobs *jobs;
  struct stream_table *streams;
  size_t count; /* with those that are being closed */
};

int request_open(struct transfers *transfers, const struct ticket *ticket, bool writing, struct reader *r, struct buffer *body);
int request_commit(struct transfers *transfers, const struct ticket *ticket, struct reader *r, struct buffer *body);

#endif
