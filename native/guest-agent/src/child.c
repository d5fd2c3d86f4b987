#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Opened before any program of a user runs, for when /dev has been emptied or covered. */
static int empty = -1;
static int terminals = -1;

void child_prepare_devices(void) {
  empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
  terminals = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int child_empty_input(void) {
  int fd = open("/dev/null", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && empty >= 0) return fcntl(empty, F_DUPFD_CLOEXEC, 3);
  if (fd >= 0) (void)fcntl(fd, F_SETFL, 0);
  return fd;
}

int child_terminal(void) {
  int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  return fd >= 0 || terminals < 0 ? fd : openat(terminals, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* Nothing below allocates, takes a lock that a worker may have held, or changes memory that the agent goes on with. */

static void say(const char *program, const char *problem) {
  ssize_t ignored = write(2, program, strlen(program));
  ignored = write(2, ": ", 2);
  ignored = write(2, problem, strlen(problem));
  ignored = write(2, "\n", 1);
  (void)ignored;
}

static int try_path(const struct child *child) {
  const char *program = child->arguments[0];
  if (strchr(program, '/')) {
    execve(program, child->arguments, child->environment);
    return errno;
  }
  int problem = ENOENT;
  char candidate[4096];
  size_t rest = strlen(program) + 1;
  for (const char *at = child->path; *at;) {
    size_t length = strcspn(at, ":");
    if (length + 1 + rest <= sizeof candidate) {
      memcpy(candidate, at, length);
      if (length > 0) candidate[length] = '/';
      memcpy(candidate + length + (length > 0), program, rest);
      execve(candidate, child->arguments, child->environment);
      if (errno != ENOENT && errno != ENOTDIR) problem = errno;
    }
    at += length + (at[length] == ':');
  }
  return problem;
}

static bool become(const struct user *user) {
  if (geteuid() != 0) return true;
  /* Raw calls: the library's versions would change every thread of the agent, or look for threads in a copy that has none. */
  return syscall(SYS_setgroups, user->group_count, user->groups) == 0 && syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
         syscall(SYS_setresuid, user->uid, user->uid, user->uid) == 0;
}

void child_prepare_signals(void) {
  struct sigaction action;
  for (int number = 1; number < NSIG; number++)
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) signal(number, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
}

/* The next program starts with handlers at their defaults anyway: only what is ignored would stay so. */
static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void score_for_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "100", 3);
  (void)ignored;
  close(fd);
}

_Noreturn void child_run(const struct child *child) {
  setsid();
  if (child->terminal) ioctl(child->input, TIOCSCTTY, 0);
  dup2(child->input, 0);
  dup2(child->output, 1);
  dup2(child->errors, 2);
  (void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  reset_signals();
  score_for_oom();
  umask(022);
  for (uint32_t i = 0; i < child->limit_count; i++) {
    struct rlimit limit = {child->limits[i].soft, child->limits[i].hard};
    if (setrlimit((__rlimit_resource_t)child->limits[i].resource, &limit) == 0) continue;
    say("cannot set a resource limit", strerrordesc_np(errno));
    _exit(126);
  }
  if (!become(child->user)) {
    say(child->user->name, "cannot become this user");
    _exit(126);
  }
  if (chdir(child->cwd)) {
    say(child->cwd, strerrordesc_np(errno));
    _exit(126);
  }
  int problem = try_path(child);
  say(child->arguments[0], problem == ENOENT ? "not found" : strerrordesc_np(problem));
  _exit(problem == ENOENT ? 127 : 126);
}
