#define _GNU_SOURCE
#include "process-signal.h"

#include <errno.h>
#include <signal.h>

#include "signal-one.h"
#include "status.h"

/* Never by the number of the group alone: once the process was collected it may be another's. */
static void signal_members(const struct process *process, int number, enum signal_scope scope) {
  const struct cgroups *cgroups = process->processes->cgroups;
  if (cgroup_available(cgroups))
    cgroup_signal(cgroups, process->cgroup, scope == SIGNAL_GROUP ? process->pid : 0, number);
  else
    signal_by_proc(process->pid, process->start_time, number, scope == SIGNAL_TREE);
}

int process_signal(const struct process *process, int number, enum signal_scope scope) {
  if (scope == SIGNAL_TREE || (scope == SIGNAL_GROUP && process->exited)) {
    signal_members(process, number, scope);
    return STATUS_OK;
  }
  if (process->exited) return STATUS_OK;
  if (scope == SIGNAL_GROUP && kill(-process->pid, number) == 0) return STATUS_OK;
  /* A process that has just been forked is not in its own group yet. */
  return kill(process->pid, number) && errno != ESRCH ? errno : STATUS_OK;
}
