#define _GNU_SOURCE
#include "machine.h"
#include "peer.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

/* An anonymous inode that answers a request of userfaultfds: waking threads that wait for a page, which then look again. */
static bool is_userfaultfd(int fd, uint64_t address) {
  struct statfs file_system;
  struct uffdio_range range = {address, PAGE};
  return fstatfs(fd, &file_system) == 0 && file_system.f_type == ANON_INODE_FS_MAGIC && ioctl(fd, UFFDIO_WAKE, &range) == 0;
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

void machine_accept(struct server *server) {
  int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (!peer_is(fd, server->machine_uid)) {
    close(fd);
    return;
  }
  server->peer = fd;
  server->phase = PHASE_HANDSHAKE;
  close(server->listener);
  server->listener = -1;
}

static const char *check(struct server *server) {
  if (server->uffd < 0) return "the handshake carries no descriptor";
  const char *problem = handshake_check(server->regions, server->region_count, server->image.size);
  if (problem) return problem;
  if (!is_userfaultfd(server->uffd, server->regions[0].address)) return "the handshake's descriptor is no userfaultfd";
  int flags = fcntl(server->uffd, F_GETFL);
  return flags < 0 || fcntl(server->uffd, F_SETFL, flags | O_NONBLOCK) < 0 ? "the userfaultfd cannot be used" : NULL;
}

void machine_handshake(struct server *server) {
  if (server->handshake_length == sizeof server->handshake) {
    server->failure = "the handshake is too long";
    return;
  }
  struct iovec io = {server->handshake + server->handshake_length, sizeof server->handshake - server->handshake_length};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(8 * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(server->peer, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    server->failure = "the machine closed the connection before its handshake";
    return;
  }
  take_descriptors(server, &message);
  server->handshake_length += (size_t)n;
  enum parse_result result = handshake_parse(server->handshake, server->handshake_length, server->regions, &server->region_count);
  if (result == PARSE_INCOMPLETE) return;
  server->failure = result == PARSE_BAD ? "the handshake is not a list of regions" : check(server);
  if (!server->failure) server->phase = PHASE_SERVE;
}
