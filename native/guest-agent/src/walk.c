#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static int read_names(struct walk *w, int fd) {
  /* The kernel aligns each record to 8 bytes. */
  uint64_t room[DIRECTORY_READ / sizeof(uint64_t)];
  char *bytes = (char *)room;
  for (;;) {
    ssize_t n = syscall(SYS_getdents64, fd, bytes, sizeof room);
    /* A directory that is removed while it is read simply ends. */
    if (n == 0 || (n < 0 && errno == ENOENT)) return 0;
    if (n < 0) return errno;
    for (ssize_t at = 0; at < n;) {
      const struct dirent64 *entry = (const struct dirent64 *)(void *)(bytes + at);
      at += entry->d_reclen;
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !add_name(w, entry->d_name)) return ENOMEM;
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

int walk_enter(struct walk *w, int parent, const char *name) {
  size_t start = w->length;
  if (!make_room(w)) return ENOMEM;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  int problem = read_names(w, fd);
  if (problem)
    close(fd);
  else
    problem = descent_enter(&w->descent, fd);
  if (problem)
    w->length = start;
  else
    w->levels[walk_depth(w) - 1] = (struct walk_level){start, start, w->length};
  return problem;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

int walk_sort(struct walk *w) {
  const struct walk_level *level = &w->levels[walk_depth(w) - 1];
  size_t count = 0;
  for (size_t at = level->next; at < level->end; at += strlen(w->names + at) + 1) count++;
  if (count < 2) return 0;
  size_t length = level->end - level->next;
  char *copy = malloc(length);
  const char **sorted = malloc(count * sizeof *sorted);
  int problem = copy && sorted ? 0 : ENOMEM;
  if (!problem) {
    memcpy(copy, w->names + level->next, length);
    const char *name = copy;
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1) sorted[i] = name;
    qsort(sorted, count, sizeof *sorted, by_bytes);
    char *to = w->names + level->next;
    for (size_t i = 0; i < count; i++) to = stpcpy(to, sorted[i]) + 1;
  }
  free(sorted);
  free(copy);
  return problem;
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
