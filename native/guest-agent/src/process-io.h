/* Moving bytes between a process's descriptors and its rings and queues. */
#ifndef WRENN_PROCESS_IO_H
#define WRENN_PROCESS_IO_H

#include "process.h"

/* Input that waits here for its reader: more of a process that has a wide pipe. */
enum { INPUT_CAPACITY = 65536, WIDE_INPUT = WIDE_PIPE };

/* Reads once; false when there is nothing to read now, no room, or nothing will ever come. */
bool process_read(struct output *out);
/* Writes pending input as far as its reader takes it, and closes it after its end. */
void process_write_input(struct process *process);
void process_close_input(struct process *process);
/* A short input is likely to be a question: the answer is read as soon as it comes. */
void process_hurry(struct process *process);
/* Its pipes have rested. The owner is the process. */
void process_rested(void *owner);
/* Watches a process's descriptors for exactly what can be done with them now. */
void process_rewatch(struct process *process);
/* Reads what the process had written when it exited. */
void process_drain(struct process *process);
/* Answers WAIT once the process is over and drained. */
void process_settle(struct process *process);
/* Closes every descriptor and frees what was read and not sent. */
void process_close(struct process *process);

#endif
