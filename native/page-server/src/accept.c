/* Takes the machine's connection, region list and userfaultfd. The peer is hostile. */
#define _GNU_SOURCE
#include "accept.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False when a stop was asked for or the deadline passed (0: none). */
static bool wait_for(struct server *server, int fd, long deadline) {
  for (;;) {
    if (atomic_load(&server->stopping)) return false;
    long left = deadline ? deadline - now_ms() : -1;
    if (deadline && left <= 0) return false;
    struct pollfd fds[2] = {{fd, POLLIN, 0}, {server->wake, POLLIN, 0}};
    if (poll(fds, 2, (int)left) < 0 && errno != EINTR) return false;
    if (fds[0].revents) return !atomic_load(&server->stopping);
  }
}

static bool is_userfaultfd(int fd) {
  char link[64];
  char target[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, target, sizeof target - 1);
  if (n <= 0) return false;
  target[n] = 0;
  return strcmp(target, "anon_inode:[userfaultfd]") == 0;
}

/* Keeps the first descriptor that comes, closes all others. */
static void take_descriptors(struct server *server, struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      if (server->uffd < 0) server->uffd = fd;
      else close(fd);
    }
  }
}

static const char *receive(struct server *server, long deadline) {
  char text[MAX_HANDSHAKE];
  size_t length = 0;
  for (;;) {
    if (!wait_for(server, server->peer, deadline)) return atomic_load(&server->stopping) ? NULL : "the handshake did not come in time";
    if (length == sizeof text) return "the handshake is too long";
    struct iovec io = {text + length, sizeof text - length};
    union {
      struct cmsghdr align;
      char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(server->peer, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return "the machine closed the connection before its handshake";
    take_descriptors(server, &message);
    length += (size_t)n;
    enum parse_result result = handshake_parse(text, length, server->regions, &server->region_count);
    if (result == PARSE_BAD) return "the handshake is not a list of regions";
    if (result == PARSE_OK) break;
  }
  if (server->uffd < 0) return "the handshake carries no descriptor";
  if (!is_userfaultfd(server->uffd)) return "the handshake's descriptor is no userfaultfd";
  int flags = fcntl(server->uffd, F_GETFL);
  if (flags < 0 || fcntl(server->uffd, F_SETFL, flags | O_NONBLOCK) < 0) return "the userfaultfd cannot be used";
  return handshake_check(server->regions, server->region_count, server->image.size);
}

const char *accept_machine(struct server *server) {
  if (!wait_for(server, server->listener, 0)) return atomic_load(&server->stopping) ? NULL : "the socket cannot be waited for";
  server->peer = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (server->peer < 0) return "the machine's connection was lost";
  close(server->listener);
  server->listener = -1;
  return receive(server, now_ms() + server->handshake_ms);
}
