#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

bool exec_filter(const struct filter_list *list, int report) {
  int listener = filter_install(list, FILTER_EXEC_LISTENER);
  if (listener < 0) return false;
  char byte = 0;
  struct iovec io = {&byte, 1};
  union control control = {0};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof listener);
  memcpy(CMSG_DATA(header), &listener, sizeof listener);
  bool sent = sendmsg(report, &message, MSG_NOSIGNAL) == 1;
  int problem = errno;
  close(listener);
  errno = problem;
  return sent;
}

/* The message is left where it is when it has no listener: it says then why there is none. */
static int receive_listener(int report) {
  char byte = 0;
  struct iovec io = {&byte, 1};
  union control control = {0};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  int listener = -1;
  ssize_t n = recvmsg(report, &message, MSG_PEEK | MSG_CMSG_CLOEXEC);
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (n != 1 || !header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&listener, CMSG_DATA(header), sizeof listener);
  return read(report, &byte, 1) == 1 ? listener : -1;
}

void exec_allow_once(int report) {
  int listener = receive_listener(report);
  if (listener < 0) return;
  struct pollfd polled[2] = {{.fd = listener, .events = POLLIN}, {.fd = report, .events = POLLIN}};
  while (poll(polled, 2, -1) < 0 && errno == EINTR) continue;
  struct seccomp_notif call = {0};
  if ((polled[0].revents & POLLIN) && ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  close(listener);
}
