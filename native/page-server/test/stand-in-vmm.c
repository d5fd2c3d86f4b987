/*
 * Stands in for a VMM: registers memory, sends the handshake, touches pages at random and checks each one.
 * stand-in-vmm SOCKET PAGES TOUCHES MODE UID; page n must begin with n + 1, or with 0 when n % 8 == 7. It connects as the user UID.
 * Modes: check, sequential, events (gives pages back, moves them and forks), die (ends in the middle), and the hostile
 * handshakes bad-json, no-fd, wrong-fd, overlap, huge, silent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static _Noreturn void die(const char *what) {
  perror(what);
  exit(2);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

static uint32_t expected(size_t page) { return page % 8 == 7 ? 0 : (uint32_t)page + 1; }
static uint32_t look(const char *memory, size_t page) { return *(const volatile uint32_t *)(memory + page * PAGE); }

static void send_handshake(int s, const char *text, int fd) {
  struct iovec io = {(void *)(uintptr_t)text, strlen(text)};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
  if (fd >= 0) {
    m.msg_control = &control;
    m.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  if (sendmsg(s, &m, MSG_NOSIGNAL) < 0) die("sendmsg");
}

static int events(char *memory, size_t pages) {
  int bad = look(memory, 1) != expected(1);
  if (madvise(memory, 64 * PAGE, MADV_DONTNEED)) die("madvise");
  for (size_t i = 0; i < 64; i++) bad += look(memory, i) != 0;
  size_t half = pages / 2;
  char *moved = mremap(memory + half * PAGE, (pages - half) * PAGE, (pages - half) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + pages * PAGE * 2);
  if (moved == MAP_FAILED) die("mremap");
  for (size_t i = half; i < pages; i++) bad += look(moved, i - half) != expected(i);
  if (munmap(memory + 128 * PAGE, 64 * PAGE)) die("munmap");
  bad += look(memory, 200) != expected(200);
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
  bad += look(memory, 220) != expected(220);
  return bad;
}

int main(int argc, char **argv) {
  if (argc != 6) return 64;
  size_t pages = strtoul(argv[2], NULL, 10);
  size_t touches = strtoul(argv[3], NULL, 10);
  const char *mode = argv[4];
  size_t size = pages * PAGE;
  char *memory = mmap(NULL, size * 4, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, size, PROT_READ | PROT_WRITE)) die("mmap");
  madvise(memory, size, MADV_NOHUGEPAGE);
  int u = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  uint64_t features = UFFD_FEATURE_EVENT_REMOVE;
  if (!strcmp(mode, "events")) features |= UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_FORK;
  struct uffdio_api api = {.api = UFFD_API, .features = features};
  struct uffdio_register r = {.range = {(uintptr_t)memory, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (u < 0 || ioctl(u, UFFDIO_API, &api) || ioctl(u, UFFDIO_REGISTER, &r)) die("userfaultfd");
  /* The userfaultfd takes privileges, which a machine has by a device. */
  uid_t uid = (uid_t)strtoul(argv[5], NULL, 10);
  if (setresuid(uid, uid, uid)) die("setresuid");
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
  if (connect(s, (struct sockaddr *)&a, sizeof a)) die("connect");
  char text[512];
  unsigned long long at = (unsigned long long)(uintptr_t)memory;
  const char *one = "[{\"base_host_virt_addr\":%llu,\"size\":%zu,\"offset\":0,\"page_size\":4096,\"page_size_kib\":4096}]";
  snprintf(text, sizeof text, one, at, !strcmp(mode, "huge") ? (size_t)1 << 62 : size);
  if (!strcmp(mode, "bad-json")) strcpy(text, "[{\"base_host_virt_addr\":-1}]");
  if (!strcmp(mode, "overlap"))
    snprintf(text, sizeof text, "[{\"base_host_virt_addr\":%llu,\"size\":8192,\"offset\":0},{\"base_host_virt_addr\":%llu,\"size\":8192,\"offset\":8192}]", at, at + PAGE);
  if (strcmp(mode, "silent") != 0) send_handshake(s, text, !strcmp(mode, "no-fd") ? -1 : !strcmp(mode, "wrong-fd") ? s : u);
  if (strcmp(mode, "check") && strcmp(mode, "sequential") && strcmp(mode, "events") && strcmp(mode, "die")) {
    char c;
    return read(s, &c, 1) == 0 ? 0 : 3; /* the server hangs up */
  }
  if (!strcmp(mode, "events")) {
    int bad = events(memory, pages);
    printf("{\"bad\":%d}\n", bad);
    return bad ? 1 : 0;
  }
  double *latency = malloc((touches ? touches : 1) * sizeof *latency);
  if (!latency) die("malloc");
  uint32_t x = 2463534242u;
  size_t bad = 0;
  double start = now();
  for (size_t i = 0; i < touches; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    size_t page = !strcmp(mode, "sequential") ? i % pages : x % pages;
    double before = now();
    bad += look(memory, page) != expected(page);
    latency[i] = now() - before;
    if (!strcmp(mode, "die") && i == touches / 2) _exit(9);
  }
  double seconds = now() - start;
  qsort(latency, touches, sizeof *latency, by_value);
  printf("{\"bad\":%zu,\"seconds\":%.6f,\"p50\":%.2f,\"p99\":%.2f}\n", bad, seconds, latency[touches / 2] * 1e6, latency[touches * 99 / 100] * 1e6);
  return bad ? 1 : 0;
}
