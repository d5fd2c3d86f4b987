#define _GNU_SOURCE
#include "server.h"
#include "accept.h"
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A machine has this many faults for each of its pages before they are answered more slowly: several processors may miss one page. */
enum { FAULTS_PER_PAGE = 4, MORE_FAULTS = 65536 };
/* A machine that had more spends at least this many times as long waiting as the server spends with it. */
enum { WAIT_FACTOR = 4 };
/* Passes over the same missing pages before the machine is given up, about 5 seconds: each waits longer, up to LONGEST_WAIT_MS. */
enum { MAX_FRUITLESS = 120, LONGEST_WAIT_MS = 50 };
/* How often a thread that does not end is interrupted. */
enum { INTERRUPT_MS = 2 };
/* Above SIGRTMIN; neither Node nor the C library uses it. */
enum { INTERRUPT_SIGNAL = 9 };

bool server_listen(struct server *server, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  strcpy(address.sun_path, path);
  server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return server->listener >= 0 && bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(server->listener, 1) == 0;
}

static void take_provided(struct server *server) {
  pthread_mutex_lock(&server->lock);
  struct provided *list = server->provided;
  server->provided = NULL;
  pthread_mutex_unlock(&server->lock);
  while (list) {
    struct provided *next = list->next;
    serve_provided(server, list->offset, list->bytes, list->length);
    free(list);
    list = next;
  }
}

static void take_rest(struct server *server) {
  pthread_mutex_lock(&server->lock);
  if (server->rest) {
    free(server->prefetch);
    server->prefetch = server->rest;
    server->prefetch_count = server->rest_count;
    server->prefetch_done = 0;
    server->rest = NULL;
    server->filling = true;
    server->missing_before = SIZE_MAX;
  }
  pthread_mutex_unlock(&server->lock);
}

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Waits until there is something to hand over, or for a time; for events of the machine too where these are to be answered. */
static void rest(struct server *server, uint64_t ms, bool for_events) {
  struct pollfd fds[2] = {{server->wake, POLLIN, 0}, {server->uffd, POLLIN, 0}};
  (void)poll(fds, for_events ? 2 : 1, ms < 1 ? 1 : ms > 1000 ? 1000 : (int)ms);
}

/* A machine can give its pages back and miss them again for ever: its events then take a share of a processor only. */
static bool is_flooded(struct server *server) {
  const struct counters *c = &server->counters;
  uint64_t events = atomic_load(&c->faults) + atomic_load(&c->removes) + atomic_load(&c->other_events);
  return events > server->image.size / PAGE * FAULTS_PER_PAGE + MORE_FAULTS;
}

static void take_events(struct server *server) {
  if (!is_flooded(server)) {
    serve_events(server);
    return;
  }
  uint64_t before = now_us();
  serve_events(server);
  rest(server, (now_us() - before) * WAIT_FACTOR / 1000, false);
}

/*
 * True when nothing can be missing any more and the machine knows it. A page that was refused for a moment is tried again. A machine
 * can make the kernel refuse it for ever.
 */
static bool finished(struct server *server) {
  if (!server->filling || server->prefetch_done < server->prefetch_count || server->wanted || server->in_flight) return false;
  size_t missing = serve_count_missing(server);
  if (missing) {
    server->fruitless = missing < server->missing_before ? 0 : server->fruitless + 1;
    server->missing_before = missing;
    if (server->fruitless > MAX_FRUITLESS) server->failure = "the machine does not take its pages";
    else if (server->fruitless) rest(server, server->fruitless < LONGEST_WAIT_MS ? server->fruitless : LONGEST_WAIT_MS, true);
    server->prefetch_done = 0;
    return false;
  }
  const char done = 'D';
  if (send(server->peer, &done, 1, MSG_NOSIGNAL) == 1) atomic_store(&server->complete, true);
  return true;
}

static void loop(struct server *server) {
  while (!server->failure && !atomic_load(&server->stopping)) {
    struct pollfd fds[3] = {{server->uffd, POLLIN, 0}, {server->peer, POLLIN, 0}, {server->wake, POLLIN, 0}};
    bool idle_work = server->prefetch_done < server->prefetch_count && !server->wanted && server->in_flight < MAX_PREFETCH_IN_FLIGHT;
    int ready = poll(fds, 3, idle_work ? 0 : -1);
    if (ready < 0 && errno != EINTR) server->failure = "poll failed";
    if (ready <= 0) {
      if (ready == 0) serve_prefetch(server);
      if (finished(server)) break;
      continue;
    }
    if (fds[2].revents) {
      uint64_t ignored;
      if (read(server->wake, &ignored, sizeof ignored) < 0 && errno != EAGAIN) server->failure = "eventfd failed";
      take_provided(server);
      take_rest(server);
    }
    if (fds[0].revents & POLLIN) take_events(server);
    else if (fds[0].revents) break; /* the machine's memory is gone */
    if (fds[1].revents) {
      char ignored[64];
      ssize_t n = read(server->peer, ignored, sizeof ignored);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break; /* the machine ended */
      if (n > 0) server->failure = "the machine speaks after its handshake";
    }
    if (!server->failure && finished(server)) break;
  }
}

static void close_all(int *const fds[], size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (*fds[i] >= 0) close(*fds[i]);
    *fds[i] = -1;
  }
}

static void *run(void *argument) {
  struct server *server = argument;
  server->failure = accept_machine(server);
  if (!server->failure && !atomic_load(&server->stopping)) loop(server);
  server->ended(server->context);
  struct pollfd stop = {server->wake, POLLIN, 0};
  while (!atomic_load(&server->stopping)) {
    uint64_t ignored;
    (void)poll(&stop, 1, -1);
    if (read(server->wake, &ignored, sizeof ignored) < 0) continue;
  }
  /* What the machine has sent and no one has read may be descriptors: their closing may block, which only this thread may do. */
  close_all((int *const[]){&server->listener, &server->peer}, 2);
  return NULL;
}

/* Does nothing but end a system call. */
static void interrupted(int number) { (void)number; }

bool server_start(struct server *server) {
  server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  size_t pages = server->image.size / PAGE;
  server->buffer = malloc((size_t)BLOCK_PAGES * PAGE);
  server->blocks = calloc(pages / BLOCK_PAGES + 1, 1);
  server->record = malloc(pages * sizeof *server->record);
  if (server->wake < 0 || !server->buffer || !server->blocks || !server->record) return false;
  struct sigaction interruption = {.sa_handler = interrupted};
  if (sigaction(SIGRTMIN + INTERRUPT_SIGNAL, &interruption, NULL)) return false;
  return pthread_create(&server->thread, NULL, run, server) == 0;
}

static void wake(struct server *server) {
  uint64_t one = 1;
  /* A full counter wakes the thread just as well. */
  if (write(server->wake, &one, sizeof one) < 0) return;
}

bool server_provide(struct server *server, uint64_t offset, const void *bytes, size_t length) {
  struct provided *item = malloc(sizeof *item + length);
  if (!item) return false;
  item->offset = offset;
  item->length = length;
  memcpy(item->bytes, bytes, length);
  pthread_mutex_lock(&server->lock);
  item->next = server->provided;
  server->provided = item;
  pthread_mutex_unlock(&server->lock);
  wake(server);
  return true;
}

bool server_fill(struct server *server, const uint32_t *pages, size_t count) {
  uint32_t *rest = malloc(count * sizeof *rest + 1);
  if (!rest) return false;
  memcpy(rest, pages, count * sizeof *rest);
  pthread_mutex_lock(&server->lock);
  free(server->rest);
  server->rest = rest;
  server->rest_count = count;
  pthread_mutex_unlock(&server->lock);
  wake(server);
  return true;
}

void server_stop(struct server *server) {
  atomic_store(&server->stopping, true);
  wake(server);
  /*
   * A machine can make the thread block: by a descriptor beside its handshake whose closing takes hours (a socket with SO_LINGER), or by
   * making its userfaultfd block while it is read. The caller is the server's main thread.
   */
  for (;;) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += INTERRUPT_MS * 1000000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_sec++;
      until.tv_nsec -= 1000000000;
    }
    if (pthread_clockjoin_np(server->thread, NULL, CLOCK_MONOTONIC, &until) != ETIMEDOUT) return;
    pthread_kill(server->thread, SIGRTMIN + INTERRUPT_SIGNAL);
  }
}

void server_free(struct server *server) {
  close_all((int *const[]){&server->listener, &server->peer, &server->uffd, &server->wake}, 4);
  for (size_t i = 0; i < server->child_count; i++) close(server->children[i]);
  while (server->provided) {
    struct provided *next = server->provided->next;
    free(server->provided);
    server->provided = next;
  }
  image_close(&server->image);
  free(server->prefetch);
  free(server->rest);
  free(server->record);
  free(server->blocks);
  free(server->buffer);
  pthread_mutex_destroy(&server->lock);
  free(server);
}
