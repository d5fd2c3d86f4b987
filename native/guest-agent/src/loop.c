#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { EVENTS = 64 };

bool loop_open(struct loop *loop) {
  *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
  return loop->epoll >= 0;
}

void loop_turn(struct loop *loop, bool wait) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(loop->epoll, events, EVENTS, wait ? -1 : 0);
  if (count < 0 && errno != EINTR) abort();
  loop->round = events;
  loop->round_count = count;
  for (int i = 0; i < count; i++) {
    struct watch *watch = events[i].data.ptr;
    if (watch) watch->ready(watch->owner, events[i].events);
  }
  loop->round_count = 0;
}

void watch_set(struct loop *loop, struct watch *watch, uint32_t events) {
  if (watch->fd < 0 || watch->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (events == 0)
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  else
    (void)epoll_ctl(loop->epoll, watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch->fd, &event);
  watch->events = events;
  if (events != 0) return;
  /* Its owner may be freed next: an event of this round must not find it. */
  for (int i = 0; i < loop->round_count; i++)
    if (loop->round[i].data.ptr == watch) loop->round[i].data.ptr = NULL;
}
