/*
 * The guest agent. In a guest it is started as /init and serves two virtio-serial ports;
 * with --listen it serves two unix sockets on any machine, for tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "cgroup.h"
#include "configure.h"
#include "feed.h"
#include "init.h"
#include "jobs.h"
#include "process.h"
#include "transfer.h"

enum { EVENTS = 64 };

void watch_set(struct agent *agent, struct watch *watch, uint32_t events) {
  if (watch->fd < 0 || watch->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (events == 0)
    (void)epoll_ctl(agent->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  else
    (void)epoll_ctl(agent->epoll, watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch->fd, &event);
  watch->events = events;
  if (events != 0) return;
  /* Its owner may be freed next: an event of this round must not find it. */
  for (int i = 0; i < agent->round_count; i++)
    if (agent->round[i].data.ptr == watch) agent->round[i].data.ptr = NULL;
}

static void children_ready(struct agent *agent, void *owner, uint32_t events) {
  struct signalfd_siginfo info;
  (void)owner;
  (void)events;
  while (read(agent->signals, &info, sizeof info) == sizeof info) continue;
  processes_reap(agent);
}

/* Reads, queues and writes one turn of each lane, the interactive one first; true when there may be more. */
static bool pump(struct agent *agent) {
  bool moved = false;
  for (int i = 0; i < 2; i++) moved |= lane_read(agent, &agent->lanes[i]);
  for (int i = 0; i < 2; i++) {
    struct lane *lane = &agent->lanes[i];
    moved |= processes_pump(agent, lane);
    moved |= transfers_pump(agent, lane);
    moved |= feeds_pump(agent, lane);
    moved |= lane_flush(lane);
  }
  return moved;
}

static _Noreturn void serve(struct agent *agent) {
  struct epoll_event events[EVENTS];
  bool more = false;
  for (;;) {
    /* One lane's worth at a time: a keystroke that arrives meanwhile waits for no more than that. */
    int count = epoll_wait(agent->epoll, events, EVENTS, more ? 0 : -1);
    if (count < 0 && errno != EINTR) abort();
    agent->round = events;
    agent->round_count = count;
    for (int i = 0; i < count; i++) {
      struct watch *watch = events[i].data.ptr;
      if (watch) watch->ready(agent, watch->owner, events[i].events);
    }
    agent->round_count = 0;
    more = pump(agent);
  }
}

static bool prepare(struct agent *agent, struct watch *signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  agent->epoll = epoll_create1(EPOLL_CLOEXEC);
  agent->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (agent->epoll < 0 || agent->signals < 0 || getrandom(&agent->instance, sizeof agent->instance, 0) != sizeof agent->instance) return false;
  *signals = (struct watch){.ready = children_ready, .fd = agent->signals};
  watch_set(agent, signals, EPOLLIN);
  return true;
}

static void protect_from_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "-1000", 5);
  (void)ignored;
  close(fd);
}

static int usage(void) {
  fputs("usage: wrenn-guest-agent --listen INTERACTIVE.sock BULK.sock [--cgroup DIRECTORY | --no-cgroup]\n       wrenn-guest-agent --version\n", stderr);
  return 2;
}

/* How the agent was asked to run, from its arguments or from being PID 1. */
struct role {
  bool guest;
  const char *sockets[2];
  const char *cgroup;
};

static bool parse(int argc, char **argv, struct role *role) {
  if (argc < 4 || strcmp(argv[1], "--listen") != 0) return false;
  role->sockets[0] = argv[2];
  role->sockets[1] = argv[3];
  if (argc == 6 && strcmp(argv[4], "--cgroup") == 0) role->cgroup = argv[5];
  return argc == 4 || role->cgroup || (argc == 5 && strcmp(argv[4], "--no-cgroup") == 0);
}

static bool begin(struct agent *agent, const struct role *role, struct watch *signals) {
  umask(022);
  if (role->cgroup && !cgroup_use(role->cgroup)) return false;
  if (!prepare(agent, signals) || !jobs_start(agent)) return false;
  if (role->guest) return lane_open_port(agent, 0, "wrenn.interactive") && lane_open_port(agent, 1, "wrenn.bulk");
  return lane_listen(agent, 0, role->sockets[0]) && lane_listen(agent, 1, role->sockets[1]);
}

int main(int argc, char **argv) {
  static struct agent agent;
  static struct watch signals;
  struct role role = {.guest = getpid() == 1};
  if (role.guest) {
    init_guest();
    protect_from_oom();
    if (!cgroup_prepare()) dprintf(1, "wrenn-guest-agent: no cgroups: a kill reaches sessions only, nothing can be frozen\n");
  } else if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    puts(AGENT_VERSION);
    return 0;
  } else if (!parse(argc, argv, &role)) {
    return usage();
  }
  if (!begin(&agent, &role, &signals)) {
    dprintf(2, "wrenn-guest-agent: cannot start: %s\n", strerror(errno));
    return 1;
  }
  serve(&agent);
}
