#define _GNU_SOURCE
#include "all-processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the kernel's task flags (include/linux/sched.h). */
enum { KERNEL_THREAD = 0x00200000 };

struct task {
  char state;
  int session;
  int terminal;
  unsigned int flags;
};

static bool read_task(pid_t pid, struct task *task) {
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
  return rest && sscanf(rest + 1, " %c %*d %*d %d %d %*d %u", &task->state, &task->session, &task->terminal, &task->flags) == 4;
}

static void each(void (*visit)(pid_t pid, const struct task *task, uint32_t *count), uint32_t *count) {
  DIR *proc = opendir("/proc");
  struct task task;
  if (!proc) return;
  for (struct dirent *entry; (entry = readdir(proc));) {
    pid_t pid = atoi(entry->d_name);
    if (pid <= 1 || pid == getpid() || !read_task(pid, &task)) continue;
    if (task.flags & KERNEL_THREAD || task.state == 'Z' || task.state == 'X') continue;
    visit(pid, &task, count);
  }
  closedir(proc);
}

static void count_one(pid_t pid, const struct task *task, uint32_t *count) {
  (void)pid;
  (void)task;
  ++*count;
}

static void hang_up_shell(pid_t pid, const struct task *task, uint32_t *count) {
  (void)count;
  if (task->terminal != 0 && task->session == pid) (void)kill(pid, SIGHUP);
}

uint32_t all_processes_count(void) {
  uint32_t count = 0;
  each(count_one, &count);
  return count;
}

void all_processes_terminate(void) {
  (void)kill(-1, SIGTERM);
  /* One that is stopped would not act on it. */
  (void)kill(-1, SIGCONT);
  each(hang_up_shell, NULL);
}

void all_processes_kill(void) { (void)kill(-1, SIGKILL); }
