#define _GNU_SOURCE
#include "oom-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "wall-clock.h"

/* One record is at most 8 KiB. Of a flood, which only root can cause, a turn of the loop takes this many. */
enum { RECORD_BYTES = 8192, RECORDS_AT_ONCE = 32 };

static struct watch kernel_log = {.fd = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct oom_kill last;

static void note(const struct oom_report *victim) {
  pthread_mutex_lock(&lock);
  last.count++;
  last.at_ns = wall_clock_ns();
  last.victim = *victim;
  pthread_mutex_unlock(&lock);
}

static void log_ready(void *owner, uint32_t events) {
  static char record[RECORD_BYTES + 1];
  struct oom_report report;
  (void)owner;
  (void)events;
  for (int i = 0; i < RECORDS_AT_ONCE; i++) {
    ssize_t n = read(kernel_log.fd, record, RECORD_BYTES);
    /* Records were overwritten before they were read: the next read goes on after them. */
    if (n < 0 && (errno == EPIPE || errno == EINTR || errno == EINVAL)) continue;
    if (n <= 0) return;
    record[n] = 0;
    if (oom_report_parse(record, &report)) note(&report);
  }
}

void oom_watch_open(struct loop *loop) {
  kernel_log = (struct watch){.ready = log_ready, .fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  if (kernel_log.fd < 0) return;
  (void)lseek(kernel_log.fd, 0, SEEK_END);
  watch_set(loop, &kernel_log, EPOLLIN);
}

struct oom_kill oom_watch_last(void) {
  pthread_mutex_lock(&lock);
  struct oom_kill copy = last;
  pthread_mutex_unlock(&lock);
  return copy;
}

void oom_watch_reset(void) {
  pthread_mutex_lock(&lock);
  last = (struct oom_kill){0};
  pthread_mutex_unlock(&lock);
}
