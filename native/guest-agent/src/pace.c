#define _GNU_SOURCE
#include "pace.h"

#include <fcntl.h>

enum {
  /* A pipe that was read longer ago than this is quiet. */
  QUIET_NS = 2000000,
  /* Answers and prompts come in fewer pieces than this, and never wait. */
  PATIENT_READS = 4,
};

bool pace_widen(struct pace *pace, int pipe) {
  if (pace->widened || fcntl(pipe, F_SETPIPE_SZ, WIDE_PIPE) < 0) return false;
  pace->widened = true;
  return true;
}

void pace_hurry(struct pace *pace) {
  pace->last_ns = 0;
  pace->resting = false;
}

bool pace_after_read(struct pace *pace, size_t length, size_t room, uint64_t now_ns) {
  pace->in_a_row = now_ns - pace->last_ns < QUIET_NS ? pace->in_a_row + 1 : 0;
  pace->last_ns = now_ns;
  /* A writer that fills what there is must not wait for room. */
  return pace->in_a_row >= PATIENT_READS && length < room && length < WIDE_PIPE / 2;
}
