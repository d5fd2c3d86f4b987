#define _GNU_SOURCE
#include "proc-stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool proc_stat(pid_t pid, struct proc_stat *stat) {
  char path[64];
  char text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return false;
  text[n] = 0;
  /* The name, in parentheses, may hold anything: fields are counted from the last one that closes. */
  const char *rest = strrchr(text, ')');
  unsigned long long ticks;
  if (!rest) return false;
  int found = sscanf(rest + 1, " %*c %*d %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &stat->group, &stat->session, &ticks);
  stat->start_time = ticks;
  return found == 3;
}
