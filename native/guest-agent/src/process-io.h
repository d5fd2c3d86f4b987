/* Moving bytes between a process's descriptors and its rings and queues. */
#ifndef WRENN_PROCESS_IO_H
#define WRENN_PROCESS_IO_H

#include "process.h"

enum { INPUT_CAPACITY = 65536 };

/* Descriptor callbacks. */
void output_ready(struct agent *agent, void *owner, uint32_t events);
void input_ready(struct agent *agent, void *owner, uint32_t events);
/* Watches a process's descriptors for exactly what can be done with them now. */
void process_rewatch(struct agent *agent, struct process *process);
/* Reads what the process had written when it exited. */
void process_drain(struct agent *agent, struct process *process);
/* Answers WAIT once the process is over and drained. */
void process_settle(struct agent *agent, struct process *process);
void process_close_input(struct agent *agent, struct process *process);

#endif
