#define _GNU_SOURCE
#include "forkable.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STEP_NS = 1000000, STEPS = 5000 };

/* Calls `visit` for each entry of a directory whose name is a number; returns the first nonzero result. */
static int each_number(const char *path, int (*visit)(int number, void *state), void *state) {
  DIR *directory = opendir(path);
  if (!directory) return -1;
  int result = 0;
  for (const struct dirent *entry; result == 0 && (entry = readdir(directory));) {
    int number = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && number != dirfd(directory)) result = visit(number, state);
  }
  closedir(directory);
  return result;
}

static int is_foreign(int descriptor, void *state) { return descriptor >= *(int *)state; }

struct threads {
  int count;
  int other;
};

static int count_thread(int thread, void *state) {
  struct threads *threads = state;
  threads->count++;
  if (thread != getpid()) threads->other = thread;
  return 0;
}

/* Whether the thread waits for an event of another. */
static bool waits(int thread) {
  char path[64];
  char text[64] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  char *end = text;
  return n > 0 && strtol(text, &end, 10) == SYS_futex && end > text;
}

const char *forkable_problem(int descriptors, bool has_thread) {
  struct threads threads = {0};
  int found = each_number("/proc/self/fd", is_foreign, &descriptors);
  if (found < 0 || each_number("/proc/self/task", count_thread, &threads) < 0) return "no /proc";
  if (found > 0) return "a library has opened a file";
  if (threads.count > (has_thread ? 2 : 1)) return "a library has started a thread";
  for (int step = 0; threads.other && !waits(threads.other); step++) {
    static const struct timespec pause = {0, STEP_NS};
    if (step == STEPS) return "a library's thread does not rest";
    nanosleep(&pause, NULL);
  }
  return NULL;
}
