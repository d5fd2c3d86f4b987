/* Figures of the guest for metrics, and its listening ports. */
#ifndef WRENN_COUNTERS_H
#define WRENN_COUNTERS_H

#include "agent.h"
#include "wire.h"

int request_counters(struct agent *agent, struct buffer *body);
int request_ports(struct buffer *body);

#endif
