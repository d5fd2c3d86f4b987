/* All processes that the host started: how they begin and end, and the requests about them. */
#ifndef WRENN_PROCESSES_H
#define WRENN_PROCESSES_H

#include <sys/resource.h>

#include "process.h"

int request_start(struct processes *processes, struct reader *r, struct buffer *body);
int request_wait(struct processes *processes, const struct ticket *ticket, struct reader *r, struct buffer *body);
int request_signal(struct processes *processes, struct reader *r, struct buffer *body);
int request_resize(struct processes *processes, struct reader *r, struct buffer *body);
int request_list(struct processes *processes, struct reader *r, struct buffer *body);
int request_forget(struct processes *processes, struct reader *r, struct buffer *body);
int request_overflow(struct processes *processes, struct reader *r, struct buffer *body);

/* A child was collected; false when it is not one of these. */
bool processes_collect(struct processes *processes, pid_t pid, int wait_status, const struct rusage *usage);
/* Does what could wait until the answers were out: removes the cgroups of ended processes, and keeps one ready for the next. */
void processes_tidy(struct processes *processes);

#endif
