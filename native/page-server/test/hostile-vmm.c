/*
 * Stands in for a VMM that has been taken over: after a good handshake it does what no VMM does, until it is ended.
 * hostile-vmm SOCKET PAGES MODE UID: it connects as the user UID. Modes: speaks (sends bytes), flood (gives pages back and misses them again for ever), unregister
 * (the kernel refuses its pages), linger (passes a descriptor whose closing takes an hour beside the handshake), linger-after (the
 * same after the handshake), blocking (makes its userfaultfd block and reads from it itself).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096, HOUR = 3600, PASSED = 8, FIRST = 100 };

static _Noreturn void die(const char *what) {
  perror(what);
  exit(2);
}

static void send_descriptors(int s, const char *text, const int *fds, size_t count) {
  struct iovec io = {(void *)(uintptr_t)text, strlen(text)};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(PASSED * sizeof(int))];
  } control = {0};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  if (sendmsg(s, &m, MSG_NOSIGNAL) < 0) die("sendmsg");
}

/* A socket with bytes that its peer never takes: closing it waits for an hour. */
static int lingering(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof a;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&a, length) || listen(listener, 1) || getsockname(listener, (struct sockaddr *)&a, &length) || connect(s, (struct sockaddr *)&a, length))
    die("loopback");
  static char bytes[65536];
  while (send(s, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  struct linger linger = {1, HOUR};
  if (setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger)) die("linger");
  return s;
}

static atomic_bool sent;

/*
 * Lets go of the sockets that were passed on, all before it waits for the first. Whoever closes one last is who waits, which may be
 * this thread.
 */
static void *let_go(void *unused) {
  (void)unused;
  while (!atomic_load(&sent)) continue;
  close_range(FIRST, FIRST + PASSED, 0);
  return NULL;
}

static void *steal(void *argument) {
  struct uffd_msg message;
  int u = *(int *)argument;
  for (;;) {
    fcntl(u, F_SETFL, 0);
    fcntl(u, F_SETFL, O_NONBLOCK);
    if (read(u, &message, sizeof message) < 0 && errno != EAGAIN) return NULL;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 64;
  size_t size = strtoul(argv[2], NULL, 10) * PAGE;
  const char *mode = argv[3];
  volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  madvise((void *)memory, size, MADV_NOHUGEPAGE);
  int u = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE};
  struct uffdio_register r = {.range = {(uintptr_t)memory, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (u < 0 || ioctl(u, UFFDIO_API, &api) || ioctl(u, UFFDIO_REGISTER, &r)) die("userfaultfd");
  /* The userfaultfd takes privileges, which a machine has by a device. */
  uid_t uid = (uid_t)strtoul(argv[4], NULL, 10);
  if (setresuid(uid, uid, uid)) die("setresuid");
  prctl(PR_SET_PDEATHSIG, 9);
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
  if (connect(s, (struct sockaddr *)&a, sizeof a)) die("connect");
  char text[256];
  snprintf(text, sizeof text, "[{\"base_host_virt_addr\":%llu,\"size\":%zu,\"offset\":0}]", (unsigned long long)(uintptr_t)memory, size);
  int fds[PASSED] = {u};
  bool lingers = !strncmp(mode, "linger", 6);
  for (int i = 1; i < PASSED && lingers; i++) {
    int socket = lingering();
    fds[i] = dup2(socket, FIRST + i);
    close(socket);
  }
  pthread_t thread;
  if (lingers && pthread_create(&thread, NULL, let_go, NULL)) die("thread");
  send_descriptors(s, text, fds, !strcmp(mode, "linger") ? PASSED : 1);
  if (!strcmp(mode, "unregister") && ioctl(u, UFFDIO_UNREGISTER, &r.range)) die("unregister");
  for (int i = 1; i < PASSED && !strcmp(mode, "linger-after"); i++) send_descriptors(s, "x", fds + i, 1);
  atomic_store(&sent, true);
  printf("ready\n");
  fflush(stdout);
  if (!strcmp(mode, "blocking") && pthread_create(&thread, NULL, steal, &u)) die("thread");
  if (!strcmp(mode, "flood") || !strcmp(mode, "blocking"))
    for (;;) {
      if (madvise((void *)memory, size, MADV_DONTNEED)) die("madvise");
      for (size_t page = 0; page < 8; page++) (void)memory[page * PAGE];
    }
  if (!strcmp(mode, "speaks"))
    for (int i = 0; i < 1000; i++)
      if (send(s, text, sizeof text, MSG_NOSIGNAL) < 0) break;
  for (;;) pause();
}
