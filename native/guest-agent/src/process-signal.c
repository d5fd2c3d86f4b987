#define _GNU_SOURCE
#include "process-signal.h"

#include <errno.h>
#include <signal.h>

#include "cgroup.h"
#include "signal-one.h"

/* The process was collected: its pid may be another's, but its group and its descendants may live on. */
static void signal_survivors(const struct process *process, int number, enum signal_scope scope) {
  if (cgroup_available())
    cgroup_signal(process->cgroup, scope == SIGNAL_GROUP ? process->pid : 0, number);
  else
    signal_by_proc(process->pid, process->start_time, number, scope == SIGNAL_TREE);
}

int process_signal(const struct process *process, int number, enum signal_scope scope) {
  if (scope == SIGNAL_TREE || (scope == SIGNAL_GROUP && process->exited)) {
    signal_survivors(process, number, scope);
    return STATUS_OK;
  }
  if (process->exited) return STATUS_OK;
  if (kill(scope == SIGNAL_GROUP ? -process->pid : process->pid, number) && errno != ESRCH) return errno;
  return STATUS_OK;
}
