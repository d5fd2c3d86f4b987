/* A request that is done on a worker as a whole: it knows nothing of the agent but its own body. */
#ifndef WRENN_ERRAND_H
#define WRENN_ERRAND_H

#include "agent.h"
#include "wire.h"

/* Does the request and says its status; the answer's body or an error's detail goes into `body`. */
typedef int errand_function(uint16_t op, struct reader *r, struct buffer *body);

/* Hands the request over: STATUS_LATER, or the status to answer when that is impossible. */
int errand_begin(const struct ticket *ticket, uint16_t op, errand_function *run, const struct reader *r);

#endif
