/* First halves of renames whose second half has not come: the kernel reports both one after the other, but not in one read. */
#ifndef WRENN_WATCH_MOVES_H
#define WRENN_WATCH_MOVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOVES_LIMIT = 16 };

struct move {
  uint32_t cookie;
  bool directory;
  bool hidden; /* from a temporary name, which is not reported */
  bool upload; /* of a file that replaces another */
  int parent;  /* watch descriptor of the directory it left */
  uint64_t until_ms;
  char *name;
  char *path; /* relative to the root, as it was then */
};

struct moves {
  struct move items[MOVES_LIMIT]; /* oldest first */
  size_t count;
};

/* Keeps a half, with copies of the texts; false when memory is short. There must be room. */
bool moves_hold(struct moves *moves, struct move half, const char *name, const char *path);
/* Takes out the half with this cookie; false when there is none. The caller frees its texts. */
bool moves_take(struct moves *moves, uint32_t cookie, struct move *half);
/* Takes out the oldest. */
bool moves_oldest(struct moves *moves, struct move *half);
/*
 * Takes out a half that an event with another cookie shows to be a whole: the kernel holds the directory while it reports both
 * halves, so that nothing else happens to its names in between. The same for a change of a path above.
 */
bool moves_outdated(struct moves *moves, uint32_t cookie, int parent, const char *path, struct move *half);
/* Milliseconds until the oldest is no longer waited for: 0 for now, -1 when there is none. */
int moves_wait_ms(const struct moves *moves);
void move_free(struct move *half);
void moves_free(struct moves *moves);

#endif
