/*
 * Parent and jailer of one VMM process. It outlives whoever started it, keeps the console in a bounded log, and says in
 * exit.json how the VMM ended.
 */
#define _GNU_SOURCE
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"
#include "descriptors.h"
#include "exec.h"
#include "reports.h"
#include "root.h"

/* A machine has about 30 descriptors, one more for each layer of its disk, and some 20 threads beside those of its processors. */
enum { CAPABILITIES = 64, OPEN_FILES = 512, PROCESSES = 512, SIGNALS = 32 };

static _Noreturn void fail(const char *what) {
  dprintf(2, "wrenn-jail: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void join_cgroups(const struct list *cgroups) {
  for (size_t i = 0; i < cgroups->count; i++) {
    int fd = open(cgroups->items[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) fail(cgroups->items[i]);
    close(fd);
  }
}

static void enter_namespaces(const struct options *options) {
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  if (options->namespace) {
    int fd = open(options->namespace, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET)) fail(options->namespace);
    close(fd);
  } else {
    flags |= CLONE_NEWNET;
  }
  if (unshare(flags)) fail("unshare");
}

static void drop_identity(const struct options *options) {
  for (unsigned long capability = 0; capability < CAPABILITIES; capability++) (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (syscall(SYS_setgroups, 0, NULL) || setresgid(options->gid, options->gid, options->gid) || setresuid(options->uid, options->uid, options->uid)) fail("drop identity");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs");
  if (setuid(0) == 0) {
    errno = EPERM;
    fail("root is still within reach");
  }
}

/* Field 22 of /proc/self/stat. `proc` was opened before the jail hid /proc; a process may always look at itself. */
static unsigned long long start_time(int proc) {
  char stat[1024];
  int fd = openat(proc, "self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return 0;
  stat[n] = 0;
  const char *rest = strrchr(stat, ')');
  unsigned long long ticks = 0;
  if (rest) (void)sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks);
  return ticks;
}

static void set_limits(const struct options *options) {
  const struct rlimit none = {0, 0};
  const struct rlimit files = {OPEN_FILES, OPEN_FILES};
  /* By user, which is the machine's own; its cgroup has the tighter limit. */
  const struct rlimit processes = {PROCESSES, PROCESSES};
  const struct rlimit size = {(rlim_t)options->file_mib << 20, (rlim_t)options->file_mib << 20};
  if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_MSGQUEUE, &none) || setrlimit(RLIMIT_MEMLOCK, &none) || setrlimit(RLIMIT_NOFILE, &files) ||
      setrlimit(RLIMIT_NPROC, &processes) || (options->file_mib > 0 && setrlimit(RLIMIT_FSIZE, &size)))
    fail("limits");
}

static _Noreturn void run_program(const struct options *options, const struct way *way, const struct descriptors *descriptors, int proc, int console, int report) {
  for (int number = 1; number < SIGNALS; number++) signal(number, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  unsigned long long ticks = start_time(proc);
  if (write(report, &ticks, sizeof ticks) != sizeof ticks) _exit(127);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0) fail("/dev/null");
  dup2(null, 0);
  dup2(console, 1);
  dup2(console, 2);
  /* Executing the program closes the report, which is how the parent knows that it worked. */
  dup2(report, 3);
  (void)fcntl(3, F_SETFD, FD_CLOEXEC);
  if (!descriptors_place(descriptors)) fail("descriptors");
  set_limits(options);
  way->begin(options, 3);
  _exit(127);
}

static void pump_console(struct console *console, int from) {
  static char bytes[CONSOLE_WRITE];
  for (;;) {
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n > 0) console_write(console, bytes, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR)) return;
  }
}

/* The start time of the program; with it the process is known from a later one of the same number. */
static unsigned long long await_start(int report) {
  unsigned long long ticks = 0;
  /* A child that ended before has already said why on its standard error. */
  if (read(report, &ticks, sizeof ticks) != sizeof ticks || ticks == 0) {
    errno = ECHILD;
    fail("start time");
  }
  return ticks;
}

static void await_exec(int report, pid_t child) {
  int problem = 0;
  if (read(report, &problem, sizeof problem) == sizeof problem) {
    errno = problem;
    fail("exec");
  }
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child) {
    errno = ECHILD;
    fail("the program ended at once");
  }
}

static _Noreturn void end(pid_t child, const char *what) {
  int problem = errno;
  kill(child, SIGKILL);
  errno = problem;
  fail(what);
}

static void close_standard_streams(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) {
    if (null >= 0)
      dup2(null, fd);
    else
      close(fd);
  }
}

static _Noreturn void attend(pid_t child, struct reports *reports, int output) {
  char text[256];
  close_standard_streams();
  pump_console(&reports->console, output);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  snprintf(text, sizeof text, "{\"pid\":%d,\"code\":%d,\"signal\":%d,\"at\":%lld}\n", child, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
           WIFSIGNALED(status) ? WTERMSIG(status) : 0, (long long)time(NULL) * 1000);
  (void)report_write(reports->exit, text);
  _exit(0);
}

/* The directory is root's: everything in it is opened here, and nothing of it is reached later. */
static void open_files(const struct options *options, struct reports *reports, struct descriptors *descriptors) {
  int directory = open(options->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || !reports_open(reports, directory, options->console_limit)) fail(options->run);
  if (!descriptors_open(descriptors, options, directory)) _exit(1);
  close(directory);
}

void supervise(const struct options *options, const struct way *way) {
  struct reports reports;
  struct descriptors descriptors;
  int output[2];
  int report[2];
  char line[256];
  setsid();
  for (int number = 1; number < SIGNALS; number++) signal(number, number == SIGCHLD ? SIG_DFL : SIG_IGN);
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) fail("/proc");
  open_files(options, &reports, &descriptors);
  join_cgroups(&options->cgroups);
  enter_namespaces(options);
  if (!root_build(options)) _exit(1);
  if (pipe2(output, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report)) fail("pipe");
  /* Before the fork, because rights belong to threads: a loaded program may make one in its fork handlers. */
  drop_identity(options);
  if (!descriptors_listen(&descriptors, options)) fail("listen");
  if (!confine(options)) _exit(1);
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) run_program(options, way, &descriptors, proc, output[1], report[1]);
  descriptors_close(&descriptors);
  close(output[1]);
  close(report[1]);
  close(proc);
  unsigned long long ticks = await_start(report[0]);
  if (!way->held) {
    if (options->filter) exec_allow_once(report[0]);
    await_exec(report[0], child);
  }
  snprintf(line, sizeof line, "{\"pid\":%d,\"startTime\":\"%llu\"}\n", child, ticks);
  if (!report_write(reports.machine, line)) end(child, options->run);
  close(reports.machine);
  if (!way->announce(line)) end(child, "nobody waits for the program");
  if (way->held && write(report[0], "", 1) != 1) end(child, "the program ended at once");
  close(report[0]);
  attend(child, &reports, output[0]);
}
