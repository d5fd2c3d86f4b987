/*
 * The guest agent. In a guest it is started as /init and serves two virtio-serial ports;
 * with --listen it serves two unix sockets on any machine, for tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"
#include "configure.h"
#include "dispatch.h"
#include "file-systems.h"
#include "hooks.h"
#include "init.h"
#include "oom-watch.h"
#include "place-files.h"
#include "processes.h"

/* How many children are collected in one turn of the loop: a fork bomb orphans them faster than that. */
enum { COLLECTED_AT_ONCE = 64 };

static void switch_off(void) {
  sync();
  reboot(RB_POWER_OFF);
}

/* As PID 1 the agent is the parent of every orphan. */
static void children_ready(void *owner, uint32_t events) {
  struct agent *agent = owner;
  struct signalfd_siginfo info;
  struct rusage usage;
  int status;
  pid_t pid = 0;
  (void)events;
  while (read(agent->children.fd, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGTERM) switch_off();
  for (int i = 0; i < COLLECTED_AT_ONCE && (pid = wait4(-1, &status, WNOHANG, &usage)) > 0; i++)
    if (!processes_collect(&agent->processes, pid, status, &usage)) hooks_collect(agent, pid, status);
  /* The rest is collected in the next turn, after what the host has sent meanwhile. */
  if (pid > 0) (void)raise(SIGCHLD);
}

static void on_session(void *owner, struct lane *lane, bool new_link) {
  struct agent *agent = owner;
  requests_reconnect(&agent->requests[lane->id], new_link);
  if (new_link) streams_close(&agent->streams, lane->id);
  if (new_link && lane->id == LANE_BULK) file_jobs_cancel_all(&agent->file_jobs);
  streams_detach(&agent->streams, lane->id);
}

static void on_request(void *owner, struct lane *lane, const struct frame *frame) {
  struct agent *agent = owner;
  requests_receive(&agent->requests[lane->id], frame);
}

static void on_stream(void *owner, struct lane *lane, const struct frame *frame) {
  struct agent *agent = owner;
  (void)lane;
  streams_receive(&agent->streams, frame);
}

static const struct lane_events lane_events = {on_session, on_request, on_stream};

/* Reads, queues and writes one turn of each lane, the interactive one first; true when there may be more. */
static bool pump(struct agent *agent) {
  bool moved = false;
  for (int i = 0; i < LANES; i++) moved |= lane_read(&agent->lanes[i]);
  for (int i = 0; i < LANES; i++) {
    moved |= streams_pump(&agent->streams, &agent->lanes[i]);
    moved |= lane_flush(&agent->lanes[i]);
  }
  return moved;
}

static _Noreturn void serve(struct agent *agent) {
  /* One lane's worth at a time: a keystroke that arrives in between waits for no more than that. */
  for (bool more = false;; more = pump(agent)) {
    if (!more) processes_tidy(&agent->processes);
    loop_turn(&agent->loop, !more);
  }
}

/* Puts the parts together, from the loop upwards. */
static bool prepare(struct agent *agent) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  if (agent->guest) sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  child_prepare_signals();
  child_prepare_devices();
  agent->children = (struct watch){.ready = children_ready, .owner = agent, .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
  if (!loop_open(&agent->loop) || agent->children.fd < 0 || getrandom(&agent->instance, sizeof agent->instance, 0) != sizeof agent->instance) return false;
  watch_set(&agent->loop, &agent->children, EPOLLIN);
  for (enum lane_id id = 0; id < LANES; id++) {
    lane_init(&agent->lanes[id], id, &agent->loop, agent->instance, &lane_events, agent);
    requests_init(&agent->requests[id], &agent->lanes[id], dispatch, agent);
  }
  if (agent->guest) oom_watch_open(&agent->loop);
  (void)file_systems_foreign(); /* opens the list while nothing counts descriptors or waits */
  agent->processes = (struct processes){.loop = &agent->loop, .streams = &agent->streams, .cgroups = &agent->cgroups, .defaults = &agent->defaults};
  agent->transfers = (struct transfers){.jobs = &agent->jobs, .streams = &agent->streams};
  agent->feeds = (struct feeds){.loop = &agent->loop, .jobs = &agent->jobs, .streams = &agent->streams};
  agent->file_jobs = (struct file_jobs){.jobs = &agent->jobs};
  agent->uploads = (struct uploads){.loop = &agent->loop, .jobs = &agent->jobs, .streams = &agent->streams};
  return rests_open(&agent->processes.rests, &agent->loop) && uploads_open(&agent->uploads) && jobs_start(&agent->jobs, &agent->loop);
}

static void protect_from_oom(void) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t ignored = write(fd, "-1000", 5);
  (void)ignored;
  close(fd);
}

static int usage(void) {
  fputs("usage: wrenn-guest-agent --listen INTERACTIVE.sock BULK.sock [--cgroup DIRECTORY | --no-cgroup]\n       wrenn-guest-agent --version\n       wrenn-guest-agent --place TARGET directory|files|file OWNER DIRECTORY\n", stderr);
  return 2;
}

/* How the agent was asked to run, from its arguments or from being PID 1. */
struct role {
  bool guest;
  const char *sockets[LANES];
  const char *cgroup;
};

static bool parse(int argc, char **argv, struct role *role) {
  if (argc < 4 || strcmp(argv[1], "--listen") != 0) return false;
  role->sockets[LANE_INTERACTIVE] = argv[2];
  role->sockets[LANE_BULK] = argv[3];
  if (argc == 6 && strcmp(argv[4], "--cgroup") == 0) role->cgroup = argv[5];
  return argc == 4 || role->cgroup || (argc == 5 && strcmp(argv[4], "--no-cgroup") == 0);
}

static bool begin(struct agent *agent, const struct role *role) {
  agent->guest = role->guest;
  static const char *const ports[LANES] = {[LANE_INTERACTIVE] = "wrenn.interactive", [LANE_BULK] = "wrenn.bulk"};
  umask(022);
  if (role->cgroup && !cgroup_use(&agent->cgroups, role->cgroup)) return false;
  if (!prepare(agent)) return false;
  bool ok = true;
  for (int i = 0; ok && i < LANES; i++) ok = role->guest ? lane_open_port(&agent->lanes[i], ports[i]) : lane_listen(&agent->lanes[i], role->sockets[i]);
  return ok;
}

int main(int argc, char **argv) {
  static struct agent agent;
  struct role role = {.guest = getpid() == 1};
  if (role.guest) {
    init_guest();
    protect_from_oom();
    if (!cgroup_prepare(&agent.cgroups)) dprintf(1, "wrenn-guest-agent: no cgroups: a kill reaches sessions only, nothing can be frozen\n");
  } else if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    puts(AGENT_VERSION);
    return 0;
  } else if (argc > 1 && strcmp(argv[1], "--place") == 0) {
    return place_files(argc - 2, argv + 2);
  } else if (!parse(argc, argv, &role)) {
    return usage();
  }
  if (!begin(&agent, &role)) {
    dprintf(2, "wrenn-guest-agent: cannot start: %s\n", strerror(errno));
    return 1;
  }
  serve(&agent);
}
