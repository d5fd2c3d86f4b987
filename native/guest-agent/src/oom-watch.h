/* Notices that the kernel kills processes for lack of memory. */
#ifndef WRENN_OOM_WATCH_H
#define WRENN_OOM_WATCH_H

#include <stdint.h>

#include "loop.h"
#include "oom-report.h"

struct oom_kill {
  uint32_t count; /* since the machine began, or became another */
  uint64_t at_ns; /* wall clock of the last one */
  struct oom_report victim; /* the last one */
};

/* Begins with what happens from now on; does nothing where the kernel's log cannot be read. */
void oom_watch_open(struct loop *loop);

/* May be called on any thread. */
struct oom_kill oom_watch_last(void);

/* The machine became another: what happened before is not its own. */
void oom_watch_reset(void);

#endif
