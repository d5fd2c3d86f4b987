/* What /proc/PID/stat says of a process (proc_pid_stat(5)). */
#ifndef WRENN_PROC_STAT_H
#define WRENN_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
  pid_t group;
  pid_t session;
  uint64_t start_time; /* clock ticks since boot: tells two processes with one pid apart */
};

bool proc_stat(pid_t pid, struct proc_stat *stat);

#endif
