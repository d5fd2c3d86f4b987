/* Signals to a started process and to what it started in turn. */
#ifndef WRENN_PROCESS_SIGNAL_H
#define WRENN_PROCESS_SIGNAL_H

#include "process.h"

enum signal_scope { SIGNAL_PROCESS, SIGNAL_GROUP, SIGNAL_TREE };

/* STATUS_OK also when no process is left to signal. */
int process_signal(const struct process *process, int number, enum signal_scope scope);

#endif
