/* A process with a foreign descriptor or thread is not forked; one whose known thread is busy is waited for. */
#define _GNU_SOURCE
#include "forkable.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool rested;

static void *work(void *nothing) {
  struct timespec pause = {0, 50000000};
  nanosleep(&pause, NULL);
  rested = true;
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  return nothing;
}

static bool is(const char *problem, const char *expected) { return expected ? problem && !strcmp(problem, expected) : !problem; }

int main(void) {
  pthread_t first;
  pthread_t second;
  /* A descriptor of whoever runs the test is not a library's. */
  syscall(SYS_close_range, 3u, ~0u, 0u);
  assert(is(forkable_problem(3, false), NULL) && is(forkable_problem(3, true), NULL));
  int fd = open("/dev/null", O_RDONLY);
  assert(fd == 3 && is(forkable_problem(3, false), "a library has opened a file") && is(forkable_problem(4, false), NULL));
  pthread_mutex_lock(&mutex);
  assert(!pthread_create(&first, NULL, work, NULL));
  assert(is(forkable_problem(4, false), "a library has started a thread"));
  assert(is(forkable_problem(4, true), NULL) && rested);
  assert(!pthread_create(&second, NULL, work, NULL));
  assert(is(forkable_problem(4, true), "a library has started a thread"));
  pthread_mutex_unlock(&mutex);
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  puts("ok: descriptors, threads, a thread that is busy");
  return 0;
}
