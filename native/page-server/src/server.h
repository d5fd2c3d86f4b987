/* One machine's page server: what it knows of its memory, of the machine and of the host agent. */
#ifndef WRENN_SERVER_H
#define WRENN_SERVER_H
#include "handshake.h"
#include "image.h"
#include "protocol.h"
#include <stdbool.h>
#include <sys/types.h>

/* Blocks that prefetching may have under way: a fault must not wait behind many of them. */
enum { MAX_PREFETCH_IN_FLIGHT = 4, MAX_CHILDREN = 16 };

enum { BLOCK_IDLE = 0, BLOCK_WANTED = 1, BLOCK_IN_FLIGHT = 2 };

enum { MAX_REPORT = 56 + MAX_RECORDED * 4, OUTPUT_ROOM = 2 * (FRAME_HEAD + MAX_REPORT) + 65536 };

/* The part of the host agent's next frame that has come, and the frames that it has not taken yet. */
struct owner {
  int fd;
  unsigned char input[FRAME_HEAD + MAX_PAYLOAD];
  size_t received;
  unsigned char output[OUTPUT_ROOM];
  size_t queued;
};

struct counters {
  uint64_t faults, pages, zero_pages, removes, other_events, requests;
};

enum phase { PHASE_SET_UP, PHASE_LISTEN, PHASE_HANDSHAKE, PHASE_SERVE, PHASE_FAILED };

struct server {
  enum phase phase;
  struct owner owner;
  struct image image;
  uint32_t handshake_ms;
  uint32_t extents_wanted, runs_wanted; /* in the set-up; how many have come is in `image` and `prefetch_count` */
  bool set_up;                          /* the frame of that name has come */
  uid_t machine_uid;
  int listener, peer, uffd;
  char handshake[MAX_HANDSHAKE];
  size_t handshake_length;
  struct region regions[MAX_REMAPPED_REGIONS];
  size_t region_count;
  size_t around; /* pages brought in around a fault: 1 to BLOCK_PAGES */
  int children[MAX_CHILDREN];
  size_t child_count;
  struct run *prefetch;
  size_t prefetch_count, prefetch_at;
  uint32_t prefetch_within; /* pages of the run that are done */
  bool filling;             /* the prefetch list is all that may be missing */
  size_t missing_before, fruitless; /* of passes over that list */
  uint32_t *record; /* pages in the order of their faults */
  size_t recorded, record_limit;
  uint8_t *blocks; /* state of each callback block */
  size_t wanted, in_flight;
  struct counters counters;
  const char *failure;
  unsigned char *buffer; /* BLOCK_PAGES pages */
};
#endif
