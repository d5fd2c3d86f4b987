#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIRECTORY_READ = 32768, FIRST_ROOM = 16, FIRST_NAMES = 4096 };

static bool add_name(struct walk *w, const char *name) {
  size_t size = strlen(name) + 1;
  if (w->capacity - w->length < size) {
    size_t capacity = w->capacity > 0 ? w->capacity : FIRST_NAMES;
    while (capacity - w->length < size) capacity *= 2;
    char *names = realloc(w->names, capacity);
    if (!names) return false;
    w->names = names;
    w->capacity = capacity;
  }
  memcpy(w->names + w->length, name, size);
  w->length += size;
  return true;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorts the `count` names from `start` on, and keeps the first `most` of them. */
static int sort_names(struct walk *w, size_t start, size_t count, size_t most) {
  size_t length = w->length - start;
  if (count < 2) return 0;
  char *copy = malloc(length);
  const char **sorted = malloc(count * sizeof *sorted);
  int problem = copy && sorted ? 0 : ENOMEM;
  if (!problem) {
    memcpy(copy, w->names + start, length);
    const char *name = copy;
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1) sorted[i] = name;
    qsort(sorted, count, sizeof *sorted, by_bytes);
    char *to = w->names + start;
    for (size_t i = 0; i < count && i < most; i++) to = stpcpy(to, sorted[i]) + 1;
    w->length = (size_t)(to - w->names);
  }
  free(sorted);
  free(copy);
  return problem;
}

/* Names of a directory as they are read: of a walk with `most`, only the first ones behind a bound stay. */
struct gathering {
  struct walk *walk;
  const char *from;
  bool behind; /* `from` itself is left out, too */
  size_t start;
  size_t count;
  bool cut;
};

static int cut_names(struct gathering *g) {
  size_t most = g->walk->most;
  int problem = sort_names(g->walk, g->start, g->count, most);
  if (g->count <= most) return problem;
  g->count = most;
  g->cut = true;
  return problem;
}

/* The last of the names that were kept, behind which none is wanted once there are enough. */
static const char *last_kept(const struct gathering *g) {
  const char *at = g->walk->names + g->walk->length - 1;
  while (at > g->walk->names + g->start && at[-1]) at--;
  return at;
}

static int gather(struct gathering *g, const char *name, char bound[NAME_MAX + 1]) {
  size_t most = g->walk->most;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return 0;
  if (most > 0) {
    int order = strcmp(name, g->from);
    if (order < 0 || (order == 0 && g->behind) || (g->cut && strcmp(name, bound) > 0)) return 0;
  }
  if (!add_name(g->walk, name)) return ENOMEM;
  if (++g->count < 2 * most || most == 0) return 0;
  int problem = cut_names(g);
  if (!problem) snprintf(bound, NAME_MAX + 1, "%s", last_kept(g));
  return problem;
}

static int read_names(struct gathering *g, int fd) {
  /* The kernel aligns each record to 8 bytes. */
  uint64_t room[DIRECTORY_READ / sizeof(uint64_t)];
  char bound[NAME_MAX + 1] = "";
  char *bytes = (char *)room;
  for (;;) {
    ssize_t n = syscall(SYS_getdents64, fd, bytes, sizeof room);
    /* A directory that is removed while it is read simply ends. */
    if (n == 0 || (n < 0 && errno == ENOENT)) return g->walk->most > 0 ? cut_names(g) : 0;
    if (n < 0) return errno;
    for (ssize_t at = 0; at < n;) {
      const struct dirent64 *entry = (const struct dirent64 *)(void *)(bytes + at);
      at += entry->d_reclen;
      int problem = gather(g, entry->d_name, bound);
      if (problem) return problem;
    }
  }
}

static bool make_room(struct walk *w) {
  if (walk_depth(w) < w->room) return true;
  size_t room = w->room > 0 ? w->room * 2 : FIRST_ROOM;
  struct walk_level *levels = realloc(w->levels, room * sizeof *levels);
  if (!levels) return false;
  w->levels = levels;
  w->room = room;
  return true;
}

int walk_enter_from(struct walk *w, int parent, const char *name, const char *from) {
  struct gathering names = {.walk = w, .from = from, .start = w->length};
  if (!make_room(w)) return ENOMEM;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  int problem = read_names(&names, fd);
  if (problem)
    close(fd);
  else
    problem = descent_enter(&w->descent, fd);
  if (problem)
    w->length = names.start;
  else
    w->levels[walk_depth(w) - 1] = (struct walk_level){names.start, names.start, w->length, names.cut};
  return problem;
}

int walk_enter(struct walk *w, int parent, const char *name) { return walk_enter_from(w, parent, name, ""); }

int walk_refill(struct walk *w) {
  struct walk_level *level = &w->levels[walk_depth(w) - 1];
  char from[NAME_MAX + 1];
  if (!level->cut) return 0;
  snprintf(from, sizeof from, "%s", w->names + level->last);
  w->length = walk_depth(w) > 1 ? level[-1].end : 0;
  struct gathering names = {.walk = w, .from = from, .behind = true, .start = w->length};
  int problem = lseek(walk_fd(w), 0, SEEK_SET) < 0 ? errno : read_names(&names, walk_fd(w));
  *level = (struct walk_level){names.start, names.start, w->length, names.cut && !problem};
  return problem;
}

int walk_sort(struct walk *w) {
  const struct walk_level *level = &w->levels[walk_depth(w) - 1];
  size_t count = 0;
  for (size_t at = level->next; at < level->end; at += strlen(w->names + at) + 1) count++;
  return sort_names(w, level->next, count, count);
}

const char *walk_next(struct walk *w) {
  struct walk_level *level = &w->levels[walk_depth(w) - 1];
  if (level->next == level->end) return NULL;
  level->last = level->next;
  level->next += strlen(w->names + level->next) + 1;
  return w->names + level->last;
}

const char *walk_name(const struct walk *w, size_t level) { return w->names + w->levels[level].last; }

int walk_leave(struct walk *w) {
  size_t depth = walk_depth(w);
  w->length = depth > 1 ? w->levels[depth - 2].end : 0;
  return descent_leave(&w->descent);
}

bool walk_path(const struct walk *w, struct buffer *path) {
  for (size_t level = 0; level < walk_depth(w); level++) {
    const char *name = walk_name(w, level);
    if (w->levels[level].next == w->levels[level].last) break;
    if (!buffer_append(path, "/", 1) || !buffer_append(path, name, strlen(name))) return false;
  }
  return true;
}

void walk_end(struct walk *w) {
  descent_end(&w->descent);
  free(w->levels);
  free(w->names);
  *w = (struct walk){0};
}
