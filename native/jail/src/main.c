/*
 * Parent and jailer of one VMM process. It outlives whoever started it, keeps the console in a bounded log, and says in
 * exit.json how the VMM ended.
 *
 * On success one line of JSON (the VMM's pid and start time) goes to standard output, which is then closed;
 * on failure a message goes to standard error and nothing runs.
 */
#define _GNU_SOURCE
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "console.h"
#include "options.h"
#include "root.h"

enum { CONSOLE_PART = 16384, CAPABILITIES = 64, OPEN_FILES = 1024 };

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

static _Noreturn void run_program(const struct options *options, int console, int report) {
  static const struct rlimit no_core = {0, 0};
  static const struct rlimit files = {OPEN_FILES, OPEN_FILES};
  char *environment[LIST_LIMIT + 1] = {0};
  for (size_t i = 0; i < options->environment.count; i++) environment[i] = (char *)(uintptr_t)options->environment.items[i];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0) fail("/dev/null");
  dup2(null, 0);
  dup2(console, 1);
  dup2(console, 2);
  /* The report pipe is closed by exec itself, which is how the parent knows that it worked. */
  dup2(report, 3);
  (void)fcntl(3, F_SETFD, FD_CLOEXEC);
  if (syscall(SYS_close_range, 4u, ~0u, 0u)) fail("close_range");
  setrlimit(RLIMIT_CORE, &no_core);
  setrlimit(RLIMIT_NOFILE, &files);
  if (options->file_mib > 0) {
    const struct rlimit size = {(rlim_t)options->file_mib << 20, (rlim_t)options->file_mib << 20};
    if (setrlimit(RLIMIT_FSIZE, &size)) fail("file size limit");
  }
  drop_identity(options);
  /* Changing the identity clears the death signal. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execve(options->program[0], options->program, environment);
  int problem = errno;
  ssize_t ignored = write(3, &problem, sizeof problem);
  (void)ignored;
  _exit(127);
}

/* Field 22 of /proc/PID/stat, opened before the jail hides /proc. */
static unsigned long long start_time(int proc, pid_t pid) {
  char path[32];
  char stat[1024];
  snprintf(path, sizeof path, "%d/stat", pid);
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return 0;
  stat[n] = 0;
  const char *rest = strrchr(stat, ')');
  unsigned long long ticks = 0;
  if (rest) (void)sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &ticks);
  return ticks;
}

static bool write_report(int directory, const char *name, const char *text) {
  char temporary[64];
  snprintf(temporary, sizeof temporary, "%s.tmp", name);
  int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) close(fd);
  return ok && renameat(directory, temporary, directory, name) == 0;
}

static void pump_console(struct console *console, int from) {
  static char bytes[CONSOLE_PART];
  for (;;) {
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n > 0) console_write(console, bytes, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR)) return;
  }
}

static void await_exec(int report, pid_t child) {
  int problem = 0;
  if (read(report, &problem, sizeof problem) == sizeof problem) {
    errno = problem;
    fail("exec");
  }
  close(report);
  /* A child that ended before exec has already said why on the console. */
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child) {
    errno = ECHILD;
    fail("the program ended at once");
  }
}

int main(int argc, char **argv) {
  static struct options options;
  struct console console;
  int pipes[2];
  int report[2];
  char text[256];
  if (!options_parse(argc, argv, &options)) return 2;
  setsid();
  for (int number = 1; number < 32; number++)
    if (number != SIGCHLD) signal(number, SIG_IGN);
  int directory = open(options.run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || proc < 0) fail(options.run);
  join_cgroups(&options.cgroups);
  enter_namespaces(&options);
  if (!root_build(&options)) return 1;
  if (pipe2(pipes, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) fail("pipe");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
    run_program(&options, pipes[1], report[1]);
  }
  close(pipes[1]);
  close(report[1]);
  await_exec(report[0], child);
  unsigned long long ticks = start_time(proc, child);
  close(proc);
  snprintf(text, sizeof text, "{\"pid\":%d,\"startTime\":\"%llu\"}\n", child, ticks);
  /* From here on the supervisor needs nothing but its directory, which belongs to the machine's user. */
  drop_identity(&options);
  if (!write_report(directory, "machine.json", text) || !console_open(&console, directory, options.console_limit)) {
    int problem = errno;
    kill(child, SIGKILL);
    errno = problem;
    fail(options.run);
  }
  ssize_t ignored = write(1, text, strlen(text));
  (void)ignored;
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) {
    if (null >= 0)
      dup2(null, fd);
    else
      close(fd);
  }
  pump_console(&console, pipes[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  snprintf(text, sizeof text, "{\"pid\":%d,\"code\":%d,\"signal\":%d,\"at\":%lld}\n", child, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
           WIFSIGNALED(status) ? WTERMSIG(status) : 0, (long long)time(NULL) * 1000);
  (void)write_report(directory, "exit.json", text);
  return 0;
}
