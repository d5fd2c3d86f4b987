/* The programs of /etc/wrenn/on-restore.d, run one after the other without holding up the loop. */
#ifndef WRENN_HOOKS_H
#define WRENN_HOOKS_H

#include <sys/types.h>

#include "request-table.h"

struct agent;

/*
 * Runs all of them, after those of an earlier request; the ticket is answered when the last one has ended, with `warnings`, which are
 * taken over. STATUS_LATER or STATUS_BUSY.
 */
int hooks_begin(struct agent *agent, const struct ticket *ticket, struct buffer *warnings);
/* A child of the agent ended that is no process of the host's. */
void hooks_collect(struct agent *agent, pid_t pid, int wait_status);
/* The body of an answer: the clock, and what could not be done. `warnings`, a list of strings, is emptied. */
void configure_answer(struct buffer *body, struct buffer *warnings);

#endif
