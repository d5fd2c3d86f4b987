#define _GNU_SOURCE
#include "rest.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { REST_NS = 1000000 };

static void timer_ready(void *owner, uint32_t events) {
  struct rests *rests = owner;
  uint64_t count;
  (void)events;
  ssize_t ignored = read(rests->timer.fd, &count, sizeof count);
  (void)ignored;
  struct rest *rest = rests->first;
  rests->first = NULL;
  while (rest) {
    struct rest *next = rest->next;
    rest->resting = false;
    rest->over(rest->owner);
    rest = next;
  }
}

bool rests_open(struct rests *rests, struct loop *loop) {
  *rests = (struct rests){.timer = {.ready = timer_ready, .owner = rests, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)}};
  watch_set(loop, &rests->timer, EPOLLIN);
  return rests->timer.fd >= 0;
}

void rest_begin(struct rests *rests, struct rest *rest) {
  struct itimerspec when = {.it_value = {0, REST_NS}};
  if (rest->resting) return;
  /* Others have begun theirs: this one ends with them. */
  if (!rests->first) (void)timerfd_settime(rests->timer.fd, 0, &when, NULL);
  rest->resting = true;
  rest->next = rests->first;
  rests->first = rest;
}

void rest_cancel(struct rests *rests, struct rest *rest) {
  if (!rest->resting) return;
  struct rest **link = &rests->first;
  while (*link != rest) link = &(*link)->next;
  *link = rest->next;
  rest->resting = false;
}
