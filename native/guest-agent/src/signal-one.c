#define _GNU_SOURCE
#include "signal-one.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc-stat.h"

void signal_one(pid_t pid, pid_t group, int signal) {
  /* The descriptor holds on to the process; whatever is checked afterwards is true of it, or it has ended. */
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return;
  if (group == 0 || getpgid(pid) == group) (void)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
  close(fd);
}

void signal_by_proc(pid_t leader, uint64_t start_time, int signal, int session) {
  struct proc_stat stat;
  if (proc_stat(leader, &stat) && stat.start_time != start_time) return;
  DIR *proc = opendir("/proc");
  if (!proc) return;
  for (struct dirent *entry; (entry = readdir(proc));) {
    pid_t pid = atoi(entry->d_name);
    if (pid <= 0 || !proc_stat(pid, &stat)) continue;
    /* The leader itself may not have made its session yet. */
    if (pid == leader || (session ? stat.session : stat.group) == leader) signal_one(pid, 0, signal);
  }
  closedir(proc);
}
