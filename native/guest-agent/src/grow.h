/* Growing the root file system to a disk that has become larger. */
#ifndef WRENN_GROW_H
#define WRENN_GROW_H

#include "agent.h"

int request_grow(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);

#endif
