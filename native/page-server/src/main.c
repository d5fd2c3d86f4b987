/*
 * wrenn-page-server MACHINE-UID MEMORY-MIB: answers the page faults of one machine until it has every page, or is gone.
 *
 * It runs in a jail (native/jail) as its own user and has these descriptors: 4 listens for the machine, 5 listens for the host agent,
 * and the memory files follow. Both sides are known by their users. It is done when the connection of the host agent ends.
 */
#define _GNU_SOURCE
#include "limits.h"
#include "machine.h"
#include "owner.h"
#include "pace.h"
#include "peer.h"
#include "serve.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MACHINE_LISTENER = 4, OWNER_LISTENER = 5, FIRST_FILE = 6, OWNER_UID = 0, OWNER_MS = 30000 };

static struct server server = {.listener = MACHINE_LISTENER, .peer = -1, .uffd = -1, .owner.fd = -1};

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void stop(const char *problem) {
  fprintf(stderr, "wrenn-page-server: %s\n", problem);
  exit(1);
}

static unsigned long number(const char *text) {
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno || *end || *text < '0' || *text > '9' || value > 1u << 30) stop("wrong arguments: MACHINE-UID MEMORY-MIB");
  return value;
}

/* The jail hands over as many files as the host agent named. */
static void find_files(struct image *image) {
  struct stat st;
  while (image->file_count < MAX_FILES && fstat(FIRST_FILE + (int)image->file_count, &st) == 0) {
    if (!S_ISREG(st.st_mode)) stop("a memory file is no regular file");
    image->files[image->file_count] = FIRST_FILE + (int)image->file_count;
    image->file_count++;
  }
}

/* A host agent that was killed before it connected never comes. */
static void await_owner(long deadline) {
  while (server.owner.fd < 0) {
    struct pollfd listener = {OWNER_LISTENER, POLLIN, 0};
    long left = deadline - now_ms();
    if (left <= 0) stop("no host agent came");
    if (poll(&listener, 1, (int)left) <= 0) continue;
    int fd = accept4(OWNER_LISTENER, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    if (peer_is(fd, OWNER_UID)) server.owner.fd = fd;
    else close(fd);
  }
  close(OWNER_LISTENER);
}

/* The last frame, as long as it takes: the host agent reads, or is gone. */
static _Noreturn void end(uint32_t outcome) {
  owner_ended(&server, outcome, "");
  while (owner_flush(&server) && owner_has_output(&server)) {
    struct pollfd owner = {server.owner.fd, POLLOUT, 0};
    poll(&owner, 1, -1);
  }
  exit(0);
}

/* The machine waits at the missing page. Its descriptor stays open until the host agent has ended it: a closed one would let it read zeros. */
static void fail(void) {
  fprintf(stderr, "wrenn-page-server: %s\n", server.failure);
  owner_ended(&server, OUTCOME_FAILED, server.failure);
  server.failure = NULL;
  server.phase = PHASE_FAILED;
}

static void serve(const struct pollfd *machine, const struct pollfd *faults) {
  if (faults->revents & POLLIN) pace_events(&server);
  else if (faults->revents) end(OUTCOME_GONE); /* the machine's memory is gone */
  if (machine->revents) {
    char ignored[64];
    ssize_t n = read(server.peer, ignored, sizeof ignored);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) end(OUTCOME_GONE);
    if (n > 0) server.failure = "the machine speaks after its handshake";
  }
}

static void turn(long deadline) {
  bool listens = server.phase == PHASE_LISTEN;
  bool connected = server.phase == PHASE_HANDSHAKE || server.phase == PHASE_SERVE;
  bool serves = server.phase == PHASE_SERVE;
  bool idle_work = serves && serve_has_work(&server);
  struct pollfd fds[3] = {
      {server.owner.fd, (short)(POLLIN | (owner_has_output(&server) ? POLLOUT : 0)), 0},
      {listens ? server.listener : connected ? server.peer : -1, POLLIN, 0},
      {serves ? server.uffd : -1, POLLIN, 0},
  };
  long left = deadline ? deadline - now_ms() : -1;
  if (deadline && left <= 0) {
    server.failure = server.phase == PHASE_SET_UP ? "the set-up did not come in time" : "the handshake did not come in time";
    return;
  }
  int ready = poll(fds, 3, idle_work ? 0 : (int)left);
  if (ready < 0 && errno != EINTR) stop("poll failed");
  if (ready < 0) return;
  if (serves) serve(&fds[1], &fds[2]);
  else if (fds[1].revents && listens) machine_accept(&server);
  else if (fds[1].revents) machine_handshake(&server);
  if (!server.failure && fds[0].revents & (POLLIN | POLLHUP | POLLERR) && !owner_read(&server)) stop("the host agent is gone");
  if (ready == 0 && idle_work) serve_prefetch(&server);
  if (!server.failure && serves && pace_is_finished(&server)) end(OUTCOME_COMPLETE);
}

int main(int argc, char **argv) {
  if (argc != 3) stop("wrong arguments: MACHINE-UID MEMORY-MIB");
  server.machine_uid = (uid_t)number(argv[1]);
  if (!limits_set(number(argv[2]))) stop("the limits cannot be set");
  find_files(&server.image);
  if (fcntl(MACHINE_LISTENER, F_SETFL, O_NONBLOCK)) stop("there is no socket for the machine");
  long deadline = now_ms() + OWNER_MS;
  await_owner(deadline);
  for (enum phase before = server.phase;;) {
    turn(deadline);
    if (server.failure && server.phase != PHASE_FAILED) fail();
    if (!owner_flush(&server)) stop("the host agent is gone");
    if (server.phase != before) deadline = server.phase == PHASE_HANDSHAKE ? now_ms() + server.handshake_ms : 0;
    before = server.phase;
  }
}
