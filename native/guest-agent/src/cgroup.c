#define _GNU_SOURCE
#include "cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup/user"

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return ok;
}

bool cgroup_prepare(void) {
  (void)mkdir("/sys/fs/cgroup/agent", 0755);
  (void)write_file("/sys/fs/cgroup/agent/cgroup.procs", "0");
  (void)write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids +io");
  if (mkdir(ROOT, 0755) && access(ROOT "/cgroup.kill", F_OK)) return false;
  /* Users' processes give way to the agent when the machine is busy. */
  (void)write_file(ROOT "/cpu.weight", "50");
  return access(ROOT "/cgroup.kill", F_OK) == 0;
}

static void directory_of(uint32_t handle, char path[64]) { snprintf(path, 64, ROOT "/p%u", handle); }

void cgroup_procs_path(uint32_t handle, char path[64]) { snprintf(path, 64, ROOT "/p%u/cgroup.procs", handle); }

bool cgroup_create(struct agent *agent, uint32_t handle) {
  char path[64];
  if (!agent->cgroups) return true;
  directory_of(handle, path);
  return mkdir(path, 0755) == 0 || access(path, F_OK) == 0;
}

void cgroup_remove(struct agent *agent, uint32_t handle) {
  char path[64];
  if (!agent->cgroups) return;
  directory_of(handle, path);
  (void)rmdir(path); /* stays while descendants live; FORGET tries again */
}

void cgroup_enter(const char *procs_path) {
  int fd = open(procs_path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "0", 1);
  (void)ignored;
  close(fd);
}

/* Session of a process: field 6 of /proc/PID/stat, behind the name in parentheses. */
static pid_t session_of(const char *pid) {
  char path[300];
  char stat[512];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (n <= 0) return -1;
  stat[n] = 0;
  const char *rest = strrchr(stat, ')');
  int session;
  return rest && sscanf(rest + 1, " %*c %*d %*d %d", &session) == 1 ? session : -1;
}

static void signal_session(pid_t leader, int number) {
  DIR *proc = opendir("/proc");
  if (!proc) return;
  for (struct dirent *entry; (entry = readdir(proc));)
    if (isdigit((unsigned char)entry->d_name[0]) && session_of(entry->d_name) == leader) (void)kill(atoi(entry->d_name), number);
  closedir(proc);
}

void cgroup_signal(struct agent *agent, uint32_t handle, pid_t leader, int number) {
  char path[64];
  if (!agent->cgroups) {
    signal_session(leader, number);
    return;
  }
  if (number == SIGKILL) {
    snprintf(path, sizeof path, ROOT "/p%u/cgroup.kill", handle);
    (void)write_file(path, "1");
    return;
  }
  cgroup_procs_path(handle, path);
  FILE *procs = fopen(path, "re");
  if (!procs) return;
  for (int pid; fscanf(procs, "%d", &pid) == 1;) (void)kill(pid, number);
  fclose(procs);
}

bool cgroup_freeze_all(bool frozen) { return write_file(ROOT "/cgroup.freeze", frozen ? "1" : "0"); }
