/* Calming the guest before it is frozen, and waking it again. */
#ifndef WRENN_QUIESCE_H
#define WRENN_QUIESCE_H

#include "cgroup.h"
#include "jobs.h"
#include "request-table.h"

int request_quiesce(struct cgroups *cgroups, struct jobs *jobs, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body);
int request_thaw(struct cgroups *cgroups, struct reader *r, struct buffer *body);

#endif
