/* One machine's page server: a thread that answers its page faults until the machine ends or it is told to stop. */
#ifndef WRENN_SERVER_H
#define WRENN_SERVER_H
#include "handshake.h"
#include "image.h"
#include <pthread.h>
#include <stdatomic.h>

/* Blocks that prefetching may have under way: a fault must not wait behind many of them. */
enum { BLOCK_PAGES = 64, MAX_IN_FLIGHT = 32, MAX_PREFETCH_IN_FLIGHT = 4, MAX_CHILDREN = 16 };

enum { BLOCK_IDLE = 0, BLOCK_WANTED = 1, BLOCK_IN_FLIGHT = 2 };

struct provided {
  struct provided *next;
  uint64_t offset;
  size_t length;
  unsigned char bytes[];
};

struct counters {
  atomic_ullong faults, pages, zero_pages, removes, other_events, requests;
};

struct server {
  struct image image;
  struct region regions[MAX_REMAPPED_REGIONS];
  size_t region_count;
  size_t around; /* pages brought in around a fault: 1 to BLOCK_PAGES */
  int listener, peer, uffd, wake;
  int children[MAX_CHILDREN];
  size_t child_count;
  int handshake_ms;
  uint32_t *prefetch;
  size_t prefetch_count, prefetch_done;
  uint32_t *rest; /* handed over by server_fill, NULL once the thread has taken it; guarded by `lock` */
  size_t rest_count;
  bool filling; /* the prefetch list is all that may be missing */
  size_t missing_before, fruitless; /* of passes over that list */
  atomic_bool complete;
  uint32_t *record; /* pages in the order of their faults */
  atomic_size_t recorded;
  uint8_t *blocks; /* state of each callback block */
  size_t wanted, in_flight;
  pthread_mutex_t lock; /* guards `provided` and `rest` */
  struct provided *provided;
  atomic_bool stopping;
  struct counters counters;
  const char *failure; /* set before the thread ends */
  pthread_t thread;
  unsigned char *buffer; /* BLOCK_PAGES pages */
  /* Called from the server's thread. */
  void (*request)(void *context, uint64_t offset, size_t length);
  void (*ended)(void *context);
  void *context;
};

/* Fills `server->listener` with a socket at `path`. False with errno. */
bool server_listen(struct server *server, const char *path);
bool server_start(struct server *server);
/* Hands bytes for a request to the thread; from any thread. False when memory is short. */
bool server_provide(struct server *server, uint64_t offset, const void *bytes, size_t length);
/*
 * Brings in `pages`, which are all that can be missing; then tells the machine that it needs no server any more and ends. From
 * any thread, once. False when memory is short.
 */
bool server_fill(struct server *server, const uint32_t *pages, size_t count);
/* Asks the thread to end and joins it. */
void server_stop(struct server *server);
/* Frees what the server holds; after server_stop, or when it was never started. */
void server_free(struct server *server);
#endif
