/* The event loop: descriptors that are watched, and what is called when one is ready. */
#ifndef WRENN_LOOP_H
#define WRENN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct epoll_event;

struct loop {
  int epoll;
  struct epoll_event *round; /* events of this round still to handle */
  int round_count;
};

/* What an epoll event belongs to; every watched descriptor has one of these as its data. */
struct watch {
  void (*ready)(void *owner, uint32_t events);
  void *owner;
  int fd;
  uint32_t events;
};

bool loop_open(struct loop *loop);
/* Handles what is ready; with `wait` it sleeps until something is. */
void loop_turn(struct loop *loop, bool wait);
/* Watches `fd` for `events`; none stops watching, which also silences hang-ups. */
void watch_set(struct loop *loop, struct watch *watch, uint32_t events);

#endif
