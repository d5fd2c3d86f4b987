#define _GNU_SOURCE
#include "wall-clock.h"

#include <errno.h>
#include <sys/time.h>
#include <time.h>

static const uint64_t second_ns = 1000000000;

uint64_t wall_clock_ns(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

int wall_clock_slew(uint64_t ns) {
  int64_t behind = (int64_t)(ns - wall_clock_ns());
  struct timeval delta = {.tv_sec = behind / (int64_t)second_ns, .tv_usec = behind % (int64_t)second_ns / 1000};
  return adjtime(&delta, NULL) ? errno : 0;
}

int wall_clock_step(uint64_t ns) {
  struct timespec now = {.tv_sec = (time_t)(ns / second_ns), .tv_nsec = (long)(ns % second_ns)};
  return clock_settime(CLOCK_REALTIME, &now) ? errno : 0;
}
