#define _GNU_SOURCE
#include "pace.h"
#include "serve.h"
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

/* A machine has this many faults for each of its pages before they are answered more slowly: several processors may miss one page. */
enum { FAULTS_PER_PAGE = 4, MORE_FAULTS = 65536 };
/* A machine that had more spends at least this many times as long waiting as the server spends with it. */
enum { WAIT_FACTOR = 4 };
/* Passes over the same missing pages before the machine is given up, about 5 seconds: each waits longer, up to LONGEST_WAIT_MS. */
enum { MAX_FRUITLESS = 120, LONGEST_WAIT_MS = 50 };

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Waits for the host agent, or for a time; for events of the machine too where these are to be answered. */
static void rest(const struct server *server, uint64_t ms, bool for_events) {
  struct pollfd fds[2] = {{server->owner.fd, POLLIN, 0}, {server->uffd, POLLIN, 0}};
  (void)poll(fds, for_events ? 2 : 1, ms < 1 ? 1 : ms > 1000 ? 1000 : (int)ms);
}

/* A machine can give its pages back and miss them again for ever: its events then take a share of a processor only. */
static bool is_flooded(const struct server *server) {
  const struct counters *c = &server->counters;
  return c->faults + c->removes + c->other_events > server->image.size / PAGE * FAULTS_PER_PAGE + MORE_FAULTS;
}

void pace_events(struct server *server) {
  if (!is_flooded(server)) {
    serve_events(server);
    return;
  }
  uint64_t before = now_us();
  serve_events(server);
  rest(server, (now_us() - before) * WAIT_FACTOR / 1000, false);
}

bool pace_is_finished(struct server *server) {
  if (!server->filling || server->prefetch_at < server->prefetch_count || server->wanted || server->in_flight) return false;
  size_t missing = serve_count_missing(server);
  if (missing) {
    server->fruitless = missing < server->missing_before ? 0 : server->fruitless + 1;
    server->missing_before = missing;
    if (server->fruitless > MAX_FRUITLESS) server->failure = "the machine does not take its pages";
    else if (server->fruitless) rest(server, server->fruitless < LONGEST_WAIT_MS ? server->fruitless : LONGEST_WAIT_MS, true);
    server->prefetch_at = 0;
    return false;
  }
  const char done = 'D';
  return send(server->peer, &done, 1, MSG_NOSIGNAL) == 1;
}
