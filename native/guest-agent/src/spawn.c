#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "child-start.h"
#include "child.h"
#include "file-systems.h"
#include "paths.h"
#include "proc-stat.h"
#include "status.h"

enum {
  ARGUMENT_LIMIT = 65536,
  LABEL_LIMIT = 65536,
  ARGUMENT_MOST = 131072,   /* of one string with its end: MAX_ARG_STRLEN */
  ARGUMENTS_MOST = 6 << 20, /* of all, however large the stack may be */
  RING_DEFAULT = 262144,
  RING_MINIMUM = 4096,
  RING_MAXIMUM = 4 << 20,
  FLAG_TERMINAL = 1,
  FLAG_INPUT = 2,
  FLAG_INTERACTIVE = 4,
  FLAG_CLEAN = 8,
};

static char **read_arguments(struct reader *r) {
  uint32_t count = read_u32(r);
  if (r->failed || count == 0 || count > ARGUMENT_LIMIT) return NULL;
  char **arguments = calloc((size_t)count + 1, sizeof *arguments);
  for (uint32_t i = 0; arguments && i < count; i++) {
    arguments[i] = read_text(r, 4u << 20);
    if (arguments[i]) continue;
    for (uint32_t k = 0; k < i; k++) free(arguments[k]);
    free(arguments);
    return NULL;
  }
  return arguments;
}

static bool read_limits(struct spawn *spawn, struct reader *r) {
  spawn->limit_count = read_u32(r);
  if (spawn->limit_count > sizeof spawn->limits / sizeof *spawn->limits) return false;
  for (uint32_t i = 0; i < spawn->limit_count; i++) {
    spawn->limits[i] = (struct limit){.resource = read_u32(r)};
    spawn->limits[i].soft = read_u64(r);
    spawn->limits[i].hard = read_u64(r);
    if (spawn->limits[i].resource >= RLIM_NLIMITS) return false;
  }
  return !r->failed;
}

/* What execve(2) would refuse with E2BIG: then it is an error of the request and not of a program that never ran. */
static bool too_long(const struct spawn *spawn) {
  size_t total = 0;
  struct rlimit stack = {RLIM_INFINITY, RLIM_INFINITY};
  (void)getrlimit(RLIMIT_STACK, &stack);
  size_t most = stack.rlim_cur / 4 < ARGUMENTS_MOST ? stack.rlim_cur / 4 : ARGUMENTS_MOST;
  for (char **argument = spawn->arguments; *argument; argument++) {
    size_t length = strlen(*argument) + 1;
    if (length > ARGUMENT_MOST) return true;
    total += length + sizeof(char *);
  }
  for (size_t i = 0; i < spawn->environment.count; i++) {
    size_t length = strlen(spawn->environment.entries[i]) + 1;
    if (length > ARGUMENT_MOST) return true;
    total += length + sizeof(char *);
  }
  return total > most;
}

static int check_cwd(struct spawn *spawn, struct buffer *detail) {
  struct stat st;
  char path[PATH_LIMIT + 1];
  bool at_home = *spawn->cwd == 0 || strcmp(spawn->cwd, "~") == 0;
  if (!path_resolve(&spawn->user, spawn->cwd, path)) return ENAMETOOLONG;
  /* A user whose home is missing still gets a place to start. */
  char *whole = strdup(at_home && (stat(path, &st) || !S_ISDIR(st.st_mode)) ? "/" : path);
  if (!whole) return ENOMEM;
  free(spawn->cwd);
  spawn->cwd = whole;
  if (stat(spawn->cwd, &st) || !S_ISDIR(st.st_mode)) return fail_with(detail, STATUS_BAD_CWD, spawn->cwd);
  return STATUS_OK;
}

int spawn_decode(struct spawn *spawn, struct reader *r, struct buffer *detail) {
  spawn->handle = read_u32(r);
  uint32_t flags = read_u32(r);
  spawn->terminal = flags & FLAG_TERMINAL;
  spawn->input = flags & FLAG_INPUT;
  spawn->on_interactive = flags & FLAG_INTERACTIVE;
  spawn->clean_environment = flags & FLAG_CLEAN;
  spawn->drop_oldest = read_u8(r) == 1;
  spawn->ring_bytes = read_u32(r);
  spawn->columns = read_u16(r);
  spawn->rows = read_u16(r);
  char *user = read_text(r, USER_TEXT - 1);
  spawn->cwd = read_text(r, 4096);
  spawn->arguments = read_arguments(r);
  bool ok = spawn->arguments && environment_read(&spawn->environment, r) && read_limits(spawn, r);
  struct view label = read_bytes(r);
  ok = ok && user && spawn->cwd && read_finished(r) && label.length <= LABEL_LIMIT && buffer_append(&spawn->label, label.bytes, label.length);
  if (spawn->ring_bytes == 0) spawn->ring_bytes = RING_DEFAULT;
  ok = ok && spawn->ring_bytes >= RING_MINIMUM && spawn->ring_bytes <= RING_MAXIMUM && spawn->handle > 0 && spawn->handle < 1u << 30;
  bool known = ok && user_find(user, &spawn->user);
  int status = !ok ? fail_with(detail, STATUS_BAD_REQUEST, "START does not parse") : known ? check_cwd(spawn, detail) : fail_with(detail, STATUS_NO_SUCH_USER, user);
  if (status == STATUS_OK && too_long(spawn)) status = E2BIG;
  free(user);
  return status;
}

void spawn_free(struct spawn *spawn) {
  for (char **argument = spawn->arguments; argument && *argument; argument++) free(*argument);
  free(spawn->arguments);
  free(spawn->cwd);
  environment_free(&spawn->environment);
  buffer_free(&spawn->label);
}

static bool build_environment(const struct environment *defaults, const struct spawn *spawn, struct environment *environment) {
  bool ok = environment_of_user(environment, &spawn->user);
  if (spawn->terminal) ok = ok && environment_set(environment, "TERM", "xterm-256color") && environment_set(environment, "COLORTERM", "truecolor");
  if (!spawn->clean_environment) ok = ok && environment_merge(environment, defaults);
  return ok && environment_merge(environment, &spawn->environment);
}

struct descriptors {
  int input[2];
  int output[2];
  int errors[2];
};

static void close_pair(int pair[2]) {
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0) close(pair[i]);
}

/* An erased character is a whole one from the first byte on, as in the terminals of a login. */
static bool expect_utf8(int terminal) {
  struct termios modes;
  if (tcgetattr(terminal, &modes)) return false;
  modes.c_iflag |= IUTF8;
  return tcsetattr(terminal, TCSANOW, &modes) == 0;
}

static bool open_terminal(const struct spawn *spawn, struct descriptors *d) {
  int unlock = 0;
  d->output[0] = child_terminal();
  if (d->output[0] < 0 || ioctl(d->output[0], TIOCSPTLCK, &unlock)) return false;
  d->input[0] = ioctl(d->output[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct winsize size = {.ws_col = spawn->columns ? spawn->columns : 80, .ws_row = spawn->rows ? spawn->rows : 24};
  if (d->input[0] < 0 || ioctl(d->output[0], TIOCSWINSZ, &size) || !expect_utf8(d->input[0])) return false;
  /* As login has it: other users may write to it by way of the group, with write(1), and open it in no other way. */
  gid_t group;
  bool grouped = group_find("tty", &group);
  if (geteuid() == 0 && (fchown(d->input[0], spawn->user.uid, grouped ? group : spawn->user.gid) || fchmod(d->input[0], grouped ? 0620 : 0600))) return false;
  d->output[1] = fcntl(d->input[0], F_DUPFD_CLOEXEC, 3);
  d->errors[1] = fcntl(d->input[0], F_DUPFD_CLOEXEC, 3);
  return d->output[1] >= 0 && d->errors[1] >= 0;
}

/*
 * A program may open its own standard streams again, as /dev/stderr: they belong to its user. Through another process it reaches
 * only pipes that it holds already, so that a program that went on as another user may open them in their own direction.
 */
static bool give_to_user(const struct spawn *spawn, int pipe, mode_t mode) {
  if (pipe < 0 || geteuid() != 0) return true;
  return fchown(pipe, spawn->user.uid, spawn->user.gid) == 0 && fchmod(pipe, mode) == 0;
}

static bool open_pipes(const struct spawn *spawn, struct descriptors *d) {
  if (spawn->input ? pipe2(d->input, O_CLOEXEC) : (d->input[0] = child_empty_input()) < 0) return false;
  if (pipe2(d->output, O_CLOEXEC) || pipe2(d->errors, O_CLOEXEC)) return false;
  if (!give_to_user(spawn, d->input[1], 0644) || !give_to_user(spawn, d->output[1], 0622) || !give_to_user(spawn, d->errors[1], 0622)) return false;
  if (d->input[1] >= 0) (void)fcntl(d->input[1], F_SETFL, O_NONBLOCK);
  (void)fcntl(d->output[0], F_SETFL, O_NONBLOCK);
  (void)fcntl(d->errors[0], F_SETFL, O_NONBLOCK);
  /* Larger pipes mean fewer switches between the writer and the agent; the default stays where that is refused. */
  (void)fcntl(d->output[0], F_SETPIPE_SZ, 262144);
  return true;
}

/* Where the child might wait before its program runs, for a process or another machine, it gets a copy of the agent: the agent itself would stand still with it. */
static pid_t start_child(struct cgroups *cgroups, uint64_t cgroup, const struct child *child) {
  if (file_systems_foreign() || cgroup_is_frozen(cgroups)) {
    pid_t pid = cgroup != 0 ? cgroup_fork(cgroups, cgroup) : fork();
    if (pid == 0) child_run(child);
    return pid;
  }
  int group = cgroup != 0 ? cgroup_open(cgroups, cgroup) : -1;
  if (cgroup != 0 && group < 0) return -1;
  pid_t pid = child_start(child, group);
  int problem = errno;
  if (group >= 0) close(group);
  errno = problem;
  return pid;
}

int spawn_run(struct cgroups *cgroups, const struct environment *defaults, const struct spawn *spawn, struct spawned *spawned, struct buffer *detail) {
  struct descriptors d = {{-1, -1}, {-1, -1}, {-1, -1}};
  struct environment environment = {0};
  struct child child = {.user = &spawn->user, .cwd = spawn->cwd, .arguments = spawn->arguments, .limits = spawn->limits, .limit_count = spawn->limit_count, .terminal = spawn->terminal};
  uint64_t cgroup = 0;
  bool ok = build_environment(defaults, spawn, &environment);
  child.environment = ok ? environment_array(&environment) : NULL;
  child.path = environment_get(&environment, "PATH");
  ok = ok && child.environment && child.path && (spawn->terminal ? open_terminal(spawn, &d) : open_pipes(spawn, &d)) && (!cgroup_available(cgroups) || (cgroup = cgroup_create(cgroups)) != 0);
  pid_t pid = -1;
  if (ok) {
    child.input = d.input[0];
    child.output = d.output[1];
    child.errors = d.errors[1];
    pid = start_child(cgroups, cgroup, &child);
  }
  int problem = errno;
  free(child.environment);
  environment_free(&environment);
  if (pid < 0) {
    close_pair(d.input);
    close_pair(d.output);
    close_pair(d.errors);
    cgroup_release(cgroups, cgroup);
    return fail_with(detail, problem ? problem : ENOMEM, strerror(problem));
  }
  close(d.input[0]);
  close(d.output[1]);
  close(d.errors[1]);
  struct proc_stat stat;
  *spawned = (struct spawned){.pid = pid, .start_time = proc_stat(pid, &stat) ? stat.start_time : 0, .cgroup = cgroup, .master = -1, .input = d.input[1], .output = {d.output[0], d.errors[0]}};
  if (spawn->terminal) spawned->master = spawned->output[0], spawned->output[0] = -1;
  return STATUS_OK;
}
