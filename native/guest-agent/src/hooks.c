#define _GNU_SOURCE
#include "hooks.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"
#include "paths.h"
#include "status.h"
#include "wall-clock.h"

#define DIRECTORY "/etc/wrenn/on-restore.d"

enum { SECONDS = 5 };

static struct {
  struct ticket ticket; /* of the request whose hooks run; id 0: none run */
  struct buffer warnings;
  struct ticket next; /* a request that came meanwhile */
  struct buffer next_warnings;
  struct dirent **names;
  int count;
  int position;
  pid_t pid;
  struct watch timer;
  char path[sizeof DIRECTORY + 257];
} run = {.timer.fd = -1};

static int is_hook(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* A hook that hangs is ended with what it started, and counts as failed. */
static void time_over(void *owner, uint32_t events) {
  struct agent *agent = owner;
  uint64_t count;
  (void)events;
  /* Stopped or started again in this very round. */
  if (read(run.timer.fd, &count, sizeof count) != sizeof count) return;
  cgroup_signal(&agent->cgroups, CGROUP_HOOKS, 0, SIGKILL);
  if (run.pid > 0) (void)kill(-run.pid, SIGKILL);
}

static void set_timer(struct agent *agent, int seconds) {
  if (run.timer.fd < 0) {
    run.timer = (struct watch){.ready = time_over, .owner = agent, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    watch_set(&agent->loop, &run.timer, EPOLLIN);
  }
  struct itimerspec when = {.it_value.tv_sec = seconds};
  (void)timerfd_settime(run.timer.fd, 0, &when, NULL);
}

/* Who a hook is run by and where: root and "/", unless the default environment says what the capsule has. */
static bool hook_place(const struct environment *defaults, struct user *user, char cwd[PATH_LIMIT + 1]) {
  const char *name = environment_get(defaults, "WRENN_DEFAULT_USER");
  const char *directory = environment_get(defaults, "WRENN_DEFAULT_CWD");
  return user_find(name ? name : "root", user) && path_resolve(user, directory ? directory : "/", cwd);
}

/*
 * Like a command of root or of the capsule's user, in a cgroup beside those of the commands: these stand still until the host thaws them, and what a
 * hook started must not keep it from running.
 */
static bool start_hook(struct agent *agent) {
  struct user user;
  struct environment environment = {0};
  char cwd[PATH_LIMIT + 1];
  char *arguments[] = {run.path, NULL};
  bool ok = hook_place(&agent->defaults, &user, cwd) && environment_of_user(&environment, &user) && environment_merge(&environment, &agent->defaults);
  char **array = ok ? environment_array(&environment) : NULL;
  int input = child_empty_input();
  run.pid = -1;
  if (array && input >= 0) {
    struct child child = {.user = &user, .cwd = cwd, .arguments = arguments, .environment = array, .path = environment_get(&environment, "PATH"), .input = input, .output = 1, .errors = 2};
    run.pid = cgroup_available(&agent->cgroups) ? cgroup_fork(&agent->cgroups, CGROUP_HOOKS) : fork();
    if (run.pid == 0) child_run(&child);
  }
  if (input >= 0) close(input);
  free(array);
  environment_free(&environment);
  if (run.pid > 0) set_timer(agent, SECONDS);
  return run.pid > 0;
}

void configure_answer(struct buffer *body, struct buffer *warnings) {
  write_u64(body, wall_clock_ns());
  if (buffer_length(warnings) > 0) (void)buffer_append(body, buffer_data(warnings), buffer_length(warnings));
  buffer_free(warnings);
}

static void finish(struct agent *agent, int status) {
  struct buffer body = {0};
  for (int i = 0; i < run.count; i++) free(run.names[i]);
  free(run.names);
  run.names = NULL;
  run.count = 0;
  if (status == STATUS_OK)
    configure_answer(&body, &run.warnings);
  else
    (void)fail_with(&body, status, run.path);
  buffer_free(&run.warnings);
  struct ticket ticket = run.ticket;
  struct ticket next = run.next;
  struct buffer next_warnings = run.next_warnings;
  run.ticket = run.next = (struct ticket){0};
  run.warnings = run.next_warnings = (struct buffer){0};
  request_answer(&ticket, status, &body);
  if (next.id != 0) (void)hooks_begin(agent, &next, &next_warnings);
}

/* Starts the next one that can be executed, or ends the run. */
static void proceed(struct agent *agent) {
  while (run.position < run.count) {
    snprintf(run.path, sizeof run.path, DIRECTORY "/%s", run.names[run.position++]->d_name);
    if (access(run.path, X_OK)) continue;
    if (!start_hook(agent)) finish(agent, STATUS_HOOK_FAILED);
    return;
  }
  finish(agent, STATUS_OK);
}

int hooks_begin(struct agent *agent, const struct ticket *ticket, struct buffer *warnings) {
  if (run.next.id != 0) {
    buffer_free(warnings);
    return STATUS_BUSY;
  }
  if (run.ticket.id != 0) {
    run.next = *ticket;
    run.next_warnings = *warnings;
    return STATUS_LATER;
  }
  run.ticket = *ticket;
  run.warnings = *warnings;
  run.position = 0;
  run.count = scandir(DIRECTORY, &run.names, is_hook, alphasort);
  if (run.count < 0) run.count = 0; /* no directory, no hooks */
  proceed(agent);
  return STATUS_LATER;
}

void hooks_collect(struct agent *agent, pid_t pid, int wait_status) {
  if (run.pid <= 0 || pid != run.pid) return;
  run.pid = 0;
  set_timer(agent, 0);
  /* What it started goes on, and from now on stands still with everything else. */
  cgroup_keep_hooks(&agent->cgroups);
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
    proceed(agent);
  else
    finish(agent, STATUS_HOOK_FAILED);
}
