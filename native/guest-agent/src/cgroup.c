#define _GNU_SOURCE
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory-facts.h"
#include "regular-file.h"
#include "signal-one.h"

enum { DEPTH_LIMIT = 8, SWEEP = 8, MOVE_ROUNDS = 16, FREEZE_STEP_MS = 2, FREEZE_LIMIT_MS = 5000 };
/* What one command leaves to others, at least; what users leave to the kernel and the agent. */
enum { RESERVED_PROCESSES = 16, RESERVED_MEMORY_LEAST = 4 << 20, RESERVED_MEMORY_MOST = 64 << 20 };

static bool write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return ok;
}

static bool write_control(const struct cgroups *cgroups, const char *name, const char *text) {
  char path[CGROUP_PATH];
  snprintf(path, sizeof path, "%s/%s", cgroups->root, name);
  return write_file(path, text);
}

bool cgroup_available(const struct cgroups *cgroups) { return *cgroups->root != 0; }

bool cgroup_use(struct cgroups *cgroups, const char *parent) {
  char kill[CGROUP_PATH];
  if (strlen(parent) + sizeof "/hooks" > sizeof cgroups->root) return false;
  snprintf(cgroups->root, sizeof cgroups->root, "%s/user", parent);
  snprintf(cgroups->hooks, sizeof cgroups->hooks, "%s/hooks", parent);
  /* The oldest kernel whose cgroups can be killed as a whole is 5.14. */
  snprintf(kill, sizeof kill, "%s/cgroup.kill", cgroups->root);
  bool made = (mkdir(cgroups->root, 0755) == 0 || errno == EEXIST) && (mkdir(cgroups->hooks, 0755) == 0 || errno == EEXIST);
  if (made && access(kill, W_OK) == 0) return true;
  *cgroups->root = 0;
  return false;
}

/* The first number of a file of the kernel; 0 when it cannot be read. */
static uint64_t read_number(const char *path) {
  unsigned long long number = 0;
  FILE *file = regular_file_open(path);
  if (!file) return 0;
  if (fscanf(file, "%llu", &number) != 1) number = 0;
  fclose(file);
  return number;
}

static void write_number(const struct cgroups *cgroups, const char *name, uint64_t number) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  (void)write_control(cgroups, name, text);
}

struct process_limits cgroup_process_limits(uint64_t threads, uint64_t pids) {
  uint64_t all = (threads < pids ? threads : pids) / 4 * 3;
  uint64_t reserve = all / 16 > RESERVED_PROCESSES ? all / 16 : RESERVED_PROCESSES;
  return all > 2 * reserve ? (struct process_limits){all, all - reserve} : (struct process_limits){0, 0};
}

/* What the kernel has room for is shared by users, the kernel itself and the agent; one command leaves some of it to others. */
static void limit_processes(struct cgroups *cgroups) {
  struct process_limits limits = cgroup_process_limits(read_number("/proc/sys/kernel/threads-max"), read_number("/proc/sys/kernel/pid_max"));
  if (limits.all == 0) return;
  write_number(cgroups, "pids.max", limits.all);
  (void)write_control(cgroups, "cgroup.subtree_control", "+pids");
  cgroups->most_of_one = limits.of_one;
}

uint64_t cgroup_memory_limit(uint64_t available) {
  uint64_t reserve = available / 32;
  if (reserve < RESERVED_MEMORY_LEAST) reserve = RESERVED_MEMORY_LEAST;
  if (reserve > RESERVED_MEMORY_MOST) reserve = RESERVED_MEMORY_MOST;
  return available > 4 * reserve ? available - reserve : 0;
}

/* Users run out of memory before the kernel and the agent do: what is killed then is the largest of their processes. */
static void limit_memory(const struct cgroups *cgroups) {
  uint64_t limit = cgroup_memory_limit(memory_facts("MemAvailable"));
  if (limit > 0) write_number(cgroups, "memory.max", limit);
}

/*
 * Processes that the agent starts from here on see the part of the users as the whole hierarchy: what container runtimes make in it is
 * frozen, killed and weighed with the rest. The agent passes its namespace on, and itself stays outside of that part.
 */
static void show_users_part(const struct cgroups *cgroups) {
  if (!write_control(cgroups, "cgroup.procs", "0")) return;
  bool apart = unshare(CLONE_NEWCGROUP) == 0;
  /* Where it stayed it would be frozen with them. */
  (void)write_file("cgroup.procs", "0");
  /* The kernel refuses a file system on top of itself. The working directory keeps what is taken away here. */
  if (apart && umount2("/sys/fs/cgroup", MNT_DETACH) == 0) (void)mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
}

bool cgroup_prepare(struct cgroups *cgroups) {
  /* By the working directory the agent reaches the whole hierarchy: whatever is mounted over it later, commands can be started and killed. */
  if (chdir("/sys/fs/cgroup")) return false;
  /* The agent stays in the root cgroup, which has no limits and cannot be frozen. */
  (void)write_file("cgroup.subtree_control", "+cpu +memory +pids +io");
  /* Each by itself: a kernel that lacks one has the others. */
  (void)write_file("cgroup.subtree_control", "+cpuset");
  (void)write_file("cgroup.subtree_control", "+hugetlb");
  if (!cgroup_use(cgroups, ".")) return false;
  /* Users' processes give way to the agent when the machine is busy. */
  (void)write_control(cgroups, "cpu.weight", "50");
  /* Before there are limits: a cgroup that hands controllers on takes no process itself. */
  show_users_part(cgroups);
  /* Commands share the processors as such, however many processes each of them has. */
  (void)write_control(cgroups, "cgroup.subtree_control", "+cpu");
  limit_processes(cgroups);
  limit_memory(cgroups);
  return true;
}

static void directory_of(const struct cgroups *cgroups, uint64_t number, char path[CGROUP_PATH]) {
  if (number == CGROUP_HOOKS)
    snprintf(path, CGROUP_PATH, "%s", cgroups->hooks);
  else
    snprintf(path, CGROUP_PATH, "%s/p%llu", cgroups->root, (unsigned long long)number);
}

/* Calls `each` for the cgroups below one: users may have made their own there. */
static void each_below(const char *path, int depth, void (*each)(const char *path, int depth, const void *context), const void *context) {
  DIR *directory = depth < DEPTH_LIMIT ? opendir(path) : NULL;
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char child[4 * CGROUP_PATH];
    if (entry->d_type != DT_DIR || *entry->d_name == '.') continue;
    int n = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (n > 0 && (size_t)n < sizeof child) each(child, depth + 1, context);
  }
  closedir(directory);
}

static void remove_below(const char *path, int depth, const void *context) {
  each_below(path, depth, remove_below, context);
  (void)rmdir(path);
}

bool cgroup_remove(const struct cgroups *cgroups, uint64_t number) {
  char path[CGROUP_PATH];
  if (number == 0) return true;
  directory_of(cgroups, number, path);
  if (rmdir(path) == 0 || errno == ENOENT) return true;
  each_below(path, 0, remove_below, NULL);
  return rmdir(path) == 0 || errno == ENOENT;
}

/* Tries a few of them again, in turn. */
static void sweep(struct cgroups *cgroups) {
  for (size_t tries = 0; tries < SWEEP && tries < cgroups->leftover_count; tries++, cgroups->sweep_at++) {
    cgroups->sweep_at %= cgroups->leftover_count;
    uint64_t *number = &cgroups->leftovers[cgroups->sweep_at];
    if (cgroup_remove(cgroups, *number)) *number = cgroups->leftovers[--cgroups->leftover_count];
  }
}

void cgroup_release(struct cgroups *cgroups, uint64_t number) {
  if (cgroup_remove(cgroups, number)) return;
  uint64_t *numbers = realloc(cgroups->leftovers, (cgroups->leftover_count + 1) * sizeof *numbers);
  if (!numbers) return; /* an empty directory more, which does no harm */
  numbers[cgroups->leftover_count++] = number;
  cgroups->leftovers = numbers;
}

static void limit_one(const struct cgroups *cgroups, const char *path) {
  char file[CGROUP_PATH + 16];
  char text[32];
  if (cgroups->most_of_one == 0) return;
  snprintf(file, sizeof file, "%s/pids.max", path);
  snprintf(text, sizeof text, "%llu", (unsigned long long)cgroups->most_of_one);
  (void)write_file(file, text);
}

static uint64_t make(struct cgroups *cgroups) {
  char path[CGROUP_PATH];
  sweep(cgroups);
  /* A number is never used twice: what is left in an old cgroup does not meet a new process. */
  directory_of(cgroups, ++cgroups->last, path);
  if (mkdir(path, 0755)) return 0;
  limit_one(cgroups, path);
  return cgroups->last;
}

uint64_t cgroup_create(struct cgroups *cgroups) {
  char path[CGROUP_PATH];
  uint64_t number = cgroups->spare;
  cgroups->spare = 0;
  if (number == 0) return make(cgroups);
  /* Root in the guest may have removed it meanwhile. */
  directory_of(cgroups, number, path);
  return access(path, F_OK) == 0 ? number : make(cgroups);
}

void cgroup_make_spare(struct cgroups *cgroups) {
  if (cgroups->spare == 0 && cgroup_available(cgroups)) cgroups->spare = make(cgroups);
}

int cgroup_open(const struct cgroups *cgroups, uint64_t number) {
  char path[CGROUP_PATH];
  directory_of(cgroups, number, path);
  return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

pid_t cgroup_fork(const struct cgroups *cgroups, uint64_t number) {
  int fd = cgroup_open(cgroups, number);
  if (fd < 0) return -1;
  struct clone_args arguments = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)fd};
  pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) return 0;
  int problem = errno;
  close(fd);
  errno = problem;
  return pid;
}

static void move_below(const char *path, int depth, const void *context) {
  char procs[4 * CGROUP_PATH + 16];
  char pid[32];
  snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
  FILE *file = regular_file_open(procs);
  if (!file) return;
  while (fgets(pid, sizeof pid, file)) (void)write_file(context, pid);
  fclose(file);
  each_below(path, depth, move_below, context);
}

static bool hooks_populated(const struct cgroups *cgroups) {
  char path[CGROUP_PATH];
  char text[256] = "";
  snprintf(path, sizeof path, "%s/cgroup.events", cgroups->hooks);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  return n > 0 && strstr(text, "populated 1");
}

void cgroup_keep_hooks(struct cgroups *cgroups) {
  char to[CGROUP_PATH + 16];
  if (!cgroup_available(cgroups) || !hooks_populated(cgroups)) return;
  uint64_t number = cgroup_create(cgroups);
  if (number == 0) return;
  directory_of(cgroups, number, to);
  strcat(to, "/cgroup.procs");
  /* Again for children that were made meanwhile: each round meets fewer of them. */
  for (int round = 0; round < MOVE_ROUNDS && hooks_populated(cgroups); round++) move_below(cgroups->hooks, 0, to);
  cgroup_release(cgroups, number);
}

struct sending {
  pid_t group;
  int signal;
};

static void signal_below(const char *path, int depth, const void *context) {
  const struct sending *sending = context;
  char procs[4 * CGROUP_PATH + 16];
  snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
  FILE *file = regular_file_open(procs);
  if (!file) return;
  for (int pid; fscanf(file, "%d", &pid) == 1;) signal_one(pid, sending->group, sending->signal);
  fclose(file);
  each_below(path, depth, signal_below, context);
}

void cgroup_signal(const struct cgroups *cgroups, uint64_t number, pid_t group, int signal) {
  char path[CGROUP_PATH + 16];
  if (number == 0) return;
  directory_of(cgroups, number, path);
  if (signal == SIGKILL && group == 0) {
    strcat(path, "/cgroup.kill");
    (void)write_file(path, "1");
    return;
  }
  struct sending sending = {group, signal};
  signal_below(path, 0, &sending);
}

void cgroup_kill_all(const struct cgroups *cgroups) {
  (void)write_control(cgroups, "cgroup.kill", "1");
}

bool cgroup_freeze(struct cgroups *cgroups, bool frozen) {
  bool ok = write_control(cgroups, "cgroup.freeze", frozen ? "1" : "0");
  if (frozen || ok) cgroups->may_be_frozen = frozen;
  return ok;
}

bool cgroup_is_frozen(struct cgroups *cgroups) {
  char path[CGROUP_PATH];
  char state = '1';
  if (!cgroups->may_be_frozen) return false;
  snprintf(path, sizeof path, "%s/cgroup.freeze", cgroups->root);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 && read(fd, &state, 1) != 1) state = '1';
  if (fd >= 0) close(fd);
  cgroups->may_be_frozen = state != '0';
  return cgroups->may_be_frozen;
}

bool cgroup_frozen(const struct cgroups *cgroups) {
  char path[CGROUP_PATH];
  snprintf(path, sizeof path, "%s/cgroup.events", cgroups->root);
  for (int waited = 0; waited < FREEZE_LIMIT_MS; waited += FREEZE_STEP_MS) {
    char text[256] = "";
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n > 0 && strstr(text, "frozen 1")) return true;
    usleep(FREEZE_STEP_MS * 1000);
  }
  return false;
}
