/*
 * How often a pipe or a terminal is read. One that programs fill in many small pieces is read less often, because each wake-up of the
 * agent costs more than the bytes; one that was quiet is read at once.
 */
#ifndef WRENN_PACE_H
#define WRENN_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room in the kernel for a pipe that is in constant use. */
enum { WIDE_PIPE = 262144 };

struct pace {
  uint64_t last_ns;  /* when the pipe was read */
  uint32_t in_a_row; /* reads that each followed the one before within a short time */
  bool widened;      /* the pipe has more room than at first */
  bool resting;      /* nothing is done with it until its rest is over */
};

/* `length` bytes were read into `room` bytes of memory at a time in ns; true when the pipe should rest now. */
bool pace_after_read(struct pace *pace, size_t length, size_t room, uint64_t now_ns);
/* What comes next through the pipe is waited for. */
void pace_hurry(struct pace *pace);
/* Gives a pipe more room, once; true when it has more now. */
bool pace_widen(struct pace *pace, int pipe);

#endif
