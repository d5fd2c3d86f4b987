/* Moments in which something is left alone, with one timer for all: a millisecond, or less where the timer runs already. */
#ifndef WRENN_REST_H
#define WRENN_REST_H

#include "loop.h"

struct rest {
  struct rest *next;
  bool resting;
  void (*over)(void *owner);
  void *owner;
};

struct rests {
  struct watch timer;
  struct rest *first;
};

bool rests_open(struct rests *rests, struct loop *loop);
/* Calls `over` when the moment has passed, once however often this is called before. */
void rest_begin(struct rests *rests, struct rest *rest);
/* `over` is not called. */
void rest_cancel(struct rests *rests, struct rest *rest);

#endif
