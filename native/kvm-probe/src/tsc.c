/*
 * Measures the time stamp counter against CLOCK_MONOTONIC_RAW, which no time daemon adjusts. Where the kernel's clock is
 * that counter the result is exactly the kernel's own value.
 */
#define _GNU_SOURCE
#include "tsc.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

enum { SPAN_MS = 50, READINGS = 50, ATTEMPTS = 5 };
static const double noise = 100e-6;

struct reading {
  uint64_t counter;
  double seconds;
};

/* The clock and the counter at one moment: the closest of many pairs, since the process may be interrupted between the two. */
static struct reading read_both(void) {
  struct reading best = {0, 0};
  uint64_t closest = UINT64_MAX;
  for (int i = 0; i < READINGS; i++) {
    struct timespec t;
    uint64_t before = __rdtsc();
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    uint64_t after = __rdtsc();
    if (after - before >= closest) continue;
    closest = after - before;
    best.counter = before + (after - before) / 2;
    best.seconds = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
  }
  return best;
}

static double measure(void) {
  struct timespec span = {.tv_nsec = SPAN_MS * 1000000L};
  struct reading start = read_both();
  nanosleep(&span, NULL);
  struct reading end = read_both();
  double seconds = end.seconds - start.seconds;
  return seconds > 0 ? (double)(end.counter - start.counter) / seconds / 1e3 : 0;
}

bool measurements_agree(double one, double other) {
  double difference = one > other ? one - other : other - one;
  return one > 0 && other > 0 && difference <= noise * one;
}

int report_tsc(void) {
  double last = measure();
  for (int i = 0; i < ATTEMPTS; i++) {
    double next = measure();
    if (measurements_agree(last, next)) {
      printf("{\"khz\":%.1f}\n", (last + next) / 2);
      return 0;
    }
    last = next;
  }
  puts("{\"problem\":\"the time stamp counter does not run at a constant rate\"}");
  return 0;
}
