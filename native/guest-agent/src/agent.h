/*
 * The one state of the agent, and what its parts ask of each other. It belongs to the loop's thread;
 * workers (jobs.h) see only what a job brings along.
 */
#ifndef WRENN_AGENT_H
#define WRENN_AGENT_H

#include <sys/types.h>

#include "lane.h"
#include "status.h"

struct epoll_event;
struct process;
struct transfer;
struct feed;

struct environment {
  char **entries; /* NAME=value */
  size_t count;
};

struct agent {
  int epoll;
  struct epoll_event *round; /* events of this round still to handle */
  int round_count;
  int signals;
  uint64_t instance;
  uint64_t request_serial;
  struct lane lanes[2];
  struct process *processes;
  size_t process_count;
  size_t ring_bytes; /* of all processes */
  struct transfer *transfers;
  size_t transfer_count;
  struct feed *feeds;
  size_t feed_count;
  struct environment defaults;
};

/* What an epoll event belongs to; every watched descriptor has one of these as its data. */
struct watch {
  void (*ready)(struct agent *agent, void *owner, uint32_t events);
  void *owner;
  int fd;
  uint32_t events;
};

/* Watches `fd` for `events`; none stops watching, which also silences hang-ups. */
void watch_set(struct agent *agent, struct watch *watch, uint32_t events);

#endif
