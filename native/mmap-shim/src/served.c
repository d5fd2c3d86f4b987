#define _GNU_SOURCE
#include "served.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { EXIT_SERVER_GONE = 84 };

static struct {
  int connection;
  int uffd;
} watched;

/*
 * The device, unlike the system call, gives a descriptor that also answers faults of the kernel (disk and network buffers lie
 * in guest memory) without a privilege: who may open it decides (Documentation/admin-guide/mm/userfaultfd.rst).
 */
static int open_userfaultfd(void) {
  int device = (int)syscall(SYS_openat, AT_FDCWD, "/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (device < 0) return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  int uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
  int problem = errno;
  close(device);
  errno = problem;
  return uffd;
}

static const char *register_ranges(int uffd, uint8_t *memory, const struct range *ranges, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *at = memory + ranges[i].first * RANGES_PAGE;
    size_t length = (size_t)ranges[i].count * RANGES_PAGE;
    /* No file lies below: what is missing is missing, and what is brought in belongs to this process like a written page. */
    void *mapped = (void *)syscall(SYS_mmap, at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (mapped != at) return "a range cannot be mapped";
    (void)madvise(at, length, MADV_NOHUGEPAGE);
    struct uffdio_register request = {.range = {(uintptr_t)at, length}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (ioctl(uffd, UFFDIO_REGISTER, &request)) return "a range cannot be registered";
  }
  return NULL;
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof address)) {
    int problem = errno;
    close(connection);
    errno = problem;
    return -1;
  }
  return connection;
}

static bool send_handshake(int connection, int uffd, const uint8_t *memory, size_t size) {
  char text[256];
  int length = snprintf(text, sizeof text, "[{\"base_host_virt_addr\":%llu,\"size\":%zu,\"offset\":0,\"page_size\":%d,\"page_size_kib\":%d}]",
                        (unsigned long long)(uintptr_t)memory, size, RANGES_PAGE, RANGES_PAGE);
  struct iovec io = {text, (size_t)length};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &uffd, sizeof uffd);
  return sendmsg(connection, &message, MSG_NOSIGNAL) == length;
}

static void *watch(void *unused) {
  (void)unused;
  char word = 0;
  ssize_t n;
  do n = read(watched.connection, &word, 1);
  while (n < 0 && errno == EINTR);
  if (n != 1 || word != 'D') {
    fprintf(stderr, "wrenn-shim: the page server is gone\n");
    _exit(EXIT_SERVER_GONE);
  }
  close(watched.uffd);
  close(watched.connection);
  return NULL;
}

/* The VMM's signals are meant for threads of its own. */
static bool start_watching(void) {
  sigset_t all;
  sigset_t before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int problem = pthread_create(&thread, NULL, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (problem == 0) pthread_detach(thread);
  errno = problem;
  return problem == 0;
}

const char *serve_memory(uint8_t *memory, size_t size, const struct range *ranges, size_t count, const char *socket_path) {
  int uffd = open_userfaultfd();
  if (uffd < 0) return "no userfaultfd can be had";
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE};
  if (ioctl(uffd, UFFDIO_API, &api)) return "the userfaultfd of this kernel cannot be used";
  const char *problem = register_ranges(uffd, memory, ranges, count);
  if (problem) return problem;
  int connection = connect_to(socket_path);
  if (connection < 0) return "the page server cannot be reached";
  if (!send_handshake(connection, uffd, memory, size)) return "the page server does not take the handshake";
  watched.connection = connection;
  watched.uffd = uffd;
  return start_watching() ? NULL : "no thread can watch the page server";
}
