/* SHUTDOWN: ends what runs in the guest, and leaves a disk that the next boot need not check. */
#ifndef WRENN_SHUTDOWN_H
#define WRENN_SHUTDOWN_H

#include "agent.h"
#include "request-table.h"

int request_shutdown(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);

#endif
