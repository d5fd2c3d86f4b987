/*
 * A walk through everything below a directory, without recursion. The names of a directory are read once, when it is
 * entered: what is added later is not seen, and what vanishes is for the caller to forgive.
 */
#ifndef WRENN_WALK_H
#define WRENN_WALK_H

#include <stdatomic.h>

#include "buffer.h"
#include "descent.h"

struct walk_level {
  size_t next; /* name to hand out next */
  size_t last; /* name handed out last */
  size_t end;
  bool cut; /* there are more names behind these */
};

struct walk {
  struct descent descent;
  struct walk_level *levels;
  size_t room;
  char *names; /* of all levels, each with its terminator */
  size_t length;
  size_t capacity;
  size_t most; /* names of a directory that are read at a time, in the order of their bytes; 0: all at once, in any order */
};

/* Enters a directory; 0 or an errno, with the walk unchanged. */
int walk_enter(struct walk *w, int parent, const char *name);
/* The same, leaving out the names that come before `from`; for a walk with `most`. */
int walk_enter_from(struct walk *w, int parent, const char *name, const char *from);
/* Reads the next names of the deepest directory, once walk_next is at the end of those before; 0 or an errno. */
int walk_refill(struct walk *w);
/* Sorts the names of the deepest directory that are still to come, by bytes; 0 or ENOMEM. */
int walk_sort(struct walk *w);
/* The next name in the deepest directory, NULL at its end. Valid until the next call of walk_enter. */
const char *walk_next(struct walk *w);
/* The name handed out last at a level; level 0 is the outermost directory. */
const char *walk_name(const struct walk *w, size_t level);
/* Goes back to the parent; 0 or an errno, after which the walk cannot go on. */
int walk_leave(struct walk *w);
/* Appends "/name" of every level: the path of what was handed out last, relative to the outermost directory; false when memory is short. */
bool walk_path(const struct walk *w, struct buffer *path);
void walk_end(struct walk *w);

static inline size_t walk_depth(const struct walk *w) { return w->descent.depth; }
/* Whether the deepest directory has more names behind those that were read. */
static inline bool walk_is_cut(const struct walk *w) { return w->levels[walk_depth(w) - 1].cut; }
static inline int walk_fd(const struct walk *w) { return descent_fd(&w->descent); }
static inline bool is_cancelled(const atomic_bool *cancelled) { return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed); }

#endif
