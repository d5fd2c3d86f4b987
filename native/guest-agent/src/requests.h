/* From an operation's number to the function that does it. */
#ifndef WRENN_REQUESTS_H
#define WRENN_REQUESTS_H

#include "agent.h"
#include "wire.h"

/* Does one request; the answer's body (or, for errors, its detail) goes into `body`. STATUS_LATER: answered by lane_respond later. */
int request_dispatch(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);

/* Puts a readable detail into the body of an error. */
int fail_with(struct buffer *body, int status, const char *detail);

#endif
