#define _GNU_SOURCE
#include "watch-directories.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

enum { BUCKETS_FIRST = 64 };

static size_t hash_wd(const struct directories *d, int wd) { return ((uint32_t)wd * 2654435761U) & (d->buckets - 1); }

static size_t hash_name(const struct directories *d, const struct watched *parent, const char *name) {
  uint64_t hash = 14695981039346656037ULL ^ (uintptr_t)parent;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 1099511628211ULL;
  return (size_t)(hash ^ hash >> 32) & (d->buckets - 1);
}

static void index_wd(struct directories *d, struct watched *w) {
  struct watched **bucket = &d->by_wd[hash_wd(d, w->wd)];
  w->next_by_wd = *bucket;
  *bucket = w;
}

static void index_name(struct directories *d, struct watched *w) {
  struct watched **bucket = &d->by_name[hash_name(d, w->parent, w->name)];
  w->next_by_name = *bucket;
  *bucket = w;
}

static void forget_wd(struct directories *d, const struct watched *w) {
  struct watched **at = &d->by_wd[hash_wd(d, w->wd)];
  while (*at != w) at = &(*at)->next_by_wd;
  *at = w->next_by_wd;
}

static void forget_name(struct directories *d, const struct watched *w) {
  struct watched **at = &d->by_name[hash_name(d, w->parent, w->name)];
  while (*at != w) at = &(*at)->next_by_name;
  *at = w->next_by_name;
}

/* Doubles the tables when there is more than one directory for each bucket; false when there are none. */
static bool make_room(struct directories *d) {
  if (d->count < d->buckets) return true;
  struct directories larger = *d;
  larger.buckets = d->buckets ? d->buckets * 2 : BUCKETS_FIRST;
  larger.by_wd = calloc(larger.buckets, sizeof *larger.by_wd);
  larger.by_name = calloc(larger.buckets, sizeof *larger.by_name);
  if (!larger.by_wd || !larger.by_name) {
    free(larger.by_wd);
    free(larger.by_name);
    return d->buckets > 0;
  }
  for (size_t i = 0; i < d->buckets; i++)
    for (struct watched *w = d->by_wd[i], *next; w; w = next) {
      next = w->next_by_wd;
      index_wd(&larger, w);
      index_name(&larger, w);
    }
  free(d->by_wd);
  free(d->by_name);
  *d = larger;
  return true;
}

static void link_child(struct watched *w) {
  if (!w->parent) return;
  w->previous = NULL;
  w->next = w->parent->children;
  if (w->next) w->next->previous = w;
  w->parent->children = w;
}

static void unlink_child(struct watched *w) {
  if (w->next) w->next->previous = w->previous;
  if (w->previous)
    w->previous->next = w->next;
  else if (w->parent)
    w->parent->children = w->next;
}

struct watched *directories_add(struct directories *d, int wd, struct watched *parent, const char *name) {
  size_t length = strlen(name) + 1;
  if (d->count >= DIRECTORY_LIMIT || !make_room(d)) return NULL;
  struct watched *w = calloc(1, sizeof *w + length);
  if (!w) return NULL;
  w->wd = wd;
  w->parent = parent;
  memcpy(w->name, name, length);
  index_wd(d, w);
  index_name(d, w);
  link_child(w);
  if (!parent) d->root = w;
  d->count++;
  return w;
}

struct watched *directories_find(const struct directories *d, int wd) {
  struct watched *w = d->buckets ? d->by_wd[hash_wd(d, wd)] : NULL;
  while (w && w->wd != wd) w = w->next_by_wd;
  return w;
}

struct watched *directories_child(const struct directories *d, const struct watched *parent, const char *name) {
  struct watched *w = d->buckets ? d->by_name[hash_name(d, parent, name)] : NULL;
  while (w && (w->parent != parent || strcmp(w->name, name) != 0)) w = w->next_by_name;
  return w;
}

static void unlist(struct directories *d, struct watched *w) {
  forget_wd(d, w);
  forget_name(d, w);
  unlink_child(w);
  if (d->root == w) d->root = NULL;
  d->count--;
}

struct watched *directories_move(struct directories *d, struct watched *directory, struct watched *parent, const char *name) {
  for (const struct watched *above = parent; above; above = above->parent)
    if (above == directory) return NULL;
  size_t length = strlen(name) + 1;
  struct watched *moved = malloc(sizeof *moved + length);
  if (!moved) return NULL;
  /* Its children are found by its address. */
  for (struct watched *child = directory->children; child; child = child->next) forget_name(d, child);
  unlist(d, directory);
  *moved = *directory;
  memcpy(moved->name, name, length);
  moved->parent = parent;
  for (struct watched *child = moved->children; child; child = child->next) {
    child->parent = moved;
    index_name(d, child);
  }
  index_wd(d, moved);
  index_name(d, moved);
  link_child(moved);
  d->count++;
  free(directory);
  return moved;
}

void directories_drop(struct directories *d, int inotify, struct watched *directory) {
  const struct watched *end = directory->parent;
  struct watched *w = directory;
  while (w != end) {
    if (w->children) {
      w = w->children;
      continue;
    }
    struct watched *parent = w->parent;
    bool last = w == directory;
    unlist(d, w);
    (void)inotify_rm_watch(inotify, w->wd);
    free(w);
    if (last) return;
    w = parent;
  }
}

bool directories_path(const struct watched *directory, const char *name, char path[PATH_LIMIT + 1]) {
  char text[PATH_LIMIT + 1];
  size_t at = PATH_LIMIT;
  size_t length = strlen(name);
  if (length > at) return false;
  text[at] = 0;
  at -= length;
  memcpy(text + at, name, length);
  for (; directory->parent; directory = directory->parent) {
    size_t part = strlen(directory->name);
    bool slash = text[at] != 0;
    if (part + slash > at) return false;
    if (slash) text[--at] = '/';
    at -= part;
    memcpy(text + at, directory->name, part);
  }
  memcpy(path, text + at, PATH_LIMIT + 1 - at);
  return true;
}

size_t directories_depth(const struct watched *directory) {
  size_t depth = 0;
  for (; directory->parent; directory = directory->parent) depth++;
  return depth;
}

void directories_free(struct directories *d) {
  for (size_t i = 0; i < d->buckets; i++)
    for (struct watched *w = d->by_wd[i], *next; w; w = next) {
      next = w->next_by_wd;
      free(w);
    }
  free(d->by_wd);
  free(d->by_name);
  *d = (struct directories){0};
}
