/* A request about the machine that is handled on a worker as a whole: it knows nothing of the agent but its own body. */
#ifndef WRENN_BLOCKING_JOB_H
#define WRENN_BLOCKING_JOB_H

#include "jobs.h"
#include "request-table.h"

/* Handles the request and returns its status; the answer's body or an error's detail goes into `body`. */
typedef int blocking_function(uint16_t op, struct reader *r, struct buffer *body);

/* Hands the request over: STATUS_LATER, or the status to answer when that is impossible. */
int blocking_job_begin(struct jobs *jobs, const struct ticket *ticket, uint16_t op, blocking_function *run, const struct reader *r);

#endif
