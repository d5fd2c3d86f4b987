/* Making a restored machine an individual: clock, entropy, names, hooks. */
#ifndef WRENN_CONFIGURE_H
#define WRENN_CONFIGURE_H

#include "request-table.h"

struct agent;

#define AGENT_VERSION "0.1.0"

int request_info(struct agent *agent, struct reader *r, struct buffer *body);
int request_configure(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body);

#endif
