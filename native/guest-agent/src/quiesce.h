/* Calming the guest before it is frozen, and waking it again. */
#ifndef WRENN_QUIESCE_H
#define WRENN_QUIESCE_H

#include "agent.h"
#include "wire.h"

int request_quiesce(const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);
int request_thaw(struct reader *r, struct buffer *body);

#endif
