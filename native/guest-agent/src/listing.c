#define _GNU_SOURCE
#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "paths.h"
#include "status.h"
#include "temporary.h"
#include "walk.h"

enum { DEPTH_LIMIT = 128, BODY_LIMIT = 15 << 20, PAGE_BYTES = 4 << 20, PAGE_LIMIT = 10000 };

struct listing {
  struct walk walk;
  const char *top; /* "" for the root directory */
  struct buffer *body;
  uint32_t depth;
  uint32_t limit;
  uint32_t count;
  /* Of a page: where it begins, as far as the walk has not come there yet. */
  bool resuming;
  char resumed[NAME_MAX + 1]; /* the next name on the way down to the last entry of the page before */
  const char *rest;           /* of the way, NULL at its end */
};

/* A directory that may not be read, or is no longer one, is listed itself, without its content. */
static int enter(struct listing *l, int parent, const char *name, const char *from) {
  int problem = walk_enter_from(&l->walk, parent, name, from);
  if (problem == EACCES || problem == ENOENT || problem == ENOTDIR || problem == ELOOP) return STATUS_OK;
  return problem || l->walk.most > 0 ? problem : walk_sort(&l->walk);
}

static int list_name(struct listing *l, const char *name) {
  struct buffer path = {0};
  struct stat st;
  int status = STATUS_OK;
  if (temporary_is(name)) return STATUS_OK;
  bool named = buffer_append(&path, l->top, strlen(l->top)) && walk_path(&l->walk, &path) && buffer_append(&path, "", 1);
  /* A name that vanished meanwhile, or that is too deep to have a path, is left out. */
  bool there = named && buffer_length(&path) <= PATH_LIMIT + 1 && fstatat(walk_fd(&l->walk), name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!named) {
    status = ENOMEM;
  } else if (there) {
    if (l->count >= l->limit || buffer_length(l->body) > BODY_LIMIT) status = STATUS_TOO_LARGE;
    if (status == STATUS_OK && entry_write_at(l->body, walk_fd(&l->walk), name, (const char *)buffer_data(&path)) == STATUS_OK) {
      l->count++;
      if (S_ISDIR(st.st_mode) && walk_depth(&l->walk) < l->depth) status = enter(l, walk_fd(&l->walk), name, "");
    }
  }
  buffer_free(&path);
  return status;
}

static int open_root(struct listing *l, const char *path, const char *from) {
  int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno;
  int status = walk_enter_from(&l->walk, root, ".", from);
  close(root);
  return status;
}

static int list_tree(struct listing *l, const char *path, const struct file_scope *scope) {
  int status = open_root(l, path, "");
  if (status == STATUS_OK) status = walk_sort(&l->walk);
  while (status == STATUS_OK && walk_depth(&l->walk) > 0) {
    const char *name = walk_next(&l->walk);
    status = is_cancelled(scope->cancelled) ? ECANCELED : name ? list_name(l, name) : walk_leave(&l->walk);
  }
  walk_end(&l->walk);
  return status;
}

static void take_next(struct listing *l, const char *path) {
  size_t length = strcspn(path, "/");
  snprintf(l->resumed, sizeof l->resumed, "%.*s", (int)(length < NAME_MAX ? length : NAME_MAX), path);
  l->rest = path[length] ? path + length + 1 : NULL;
}

/* Goes down into what an earlier page has, whatever became of it: what comes after it is listed. */
static int resume_below(struct listing *l, const char *name) {
  size_t depth = walk_depth(&l->walk);
  struct stat st;
  const char *rest = l->rest;
  if (rest) take_next(l, rest);
  bool directory = depth < l->depth && fstatat(walk_fd(&l->walk), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
  int status = directory ? enter(l, walk_fd(&l->walk), name, rest ? l->resumed : "") : STATUS_OK;
  l->resuming = rest && walk_depth(&l->walk) > depth;
  return status;
}

/* The page ends behind `name` so far, which was just listed. */
static int keep_cursor(struct listing *l, struct buffer *cursor) {
  buffer_consume(cursor, buffer_length(cursor));
  return walk_path(&l->walk, cursor) ? STATUS_OK : ENOMEM;
}

static int list_page_name(struct listing *l, const char *name, struct buffer *cursor) {
  uint32_t before = l->count;
  if (l->resuming && strcmp(name, l->resumed) == 0) return resume_below(l, name);
  l->resuming = false;
  int status = list_name(l, name);
  return status == STATUS_OK && l->count > before ? keep_cursor(l, cursor) : status;
}

/* The names of this directory that are in memory are all listed. */
static int list_further(struct listing *l) {
  l->resuming = false;
  return walk_is_cut(&l->walk) ? walk_refill(&l->walk) : walk_leave(&l->walk);
}

/* Lists until the page is full. `cursor` then says where the next one begins; it is empty when there is none. */
static int list_page(struct listing *l, const char *path, const struct file_scope *scope, struct buffer *cursor) {
  bool full = false;
  int status = open_root(l, path, l->resuming ? l->resumed : "");
  while (status == STATUS_OK && !full && walk_depth(&l->walk) > 0) {
    const char *name = walk_next(&l->walk);
    bool listed = name && !(l->resuming && strcmp(name, l->resumed) == 0) && !temporary_is(name);
    full = listed && (l->count >= l->limit || buffer_length(l->body) > PAGE_BYTES);
    if (!full) status = is_cancelled(scope->cancelled) ? ECANCELED : name ? list_page_name(l, name, cursor) : list_further(l);
  }
  walk_end(&l->walk);
  if (!full) buffer_consume(cursor, buffer_length(cursor));
  return status;
}

static void write_count(const struct listing *l) {
  for (size_t i = 0; i < 4; i++) l->body->bytes[l->body->start + i] = (uint8_t)(l->count >> (8 * i));
}

static struct listing listing_of(const char *path, uint32_t depth, uint32_t limit, struct buffer *body) {
  return (struct listing){.top = strcmp(path, "/") == 0 ? "" : path, .body = body, .depth = depth < DEPTH_LIMIT ? depth : DEPTH_LIMIT, .limit = limit};
}

int list_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  uint32_t depth = read_u32(r);
  uint32_t limit = read_u32(r);
  if (!read_finished(r) || depth == 0) return fail_with(body, STATUS_BAD_REQUEST, "LIST does not parse");
  if (depth > 1 && scope->bounded) return STATUS_UNBOUNDED;
  struct listing listing = listing_of(path, depth, limit, body);
  write_u32(body, 0);
  int status = list_tree(&listing, path, scope);
  if (status != STATUS_OK) return fail_with(body, status, "");
  write_count(&listing);
  return STATUS_OK;
}

int list_page_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  uint32_t depth = read_u32(r);
  uint32_t limit = read_u32(r);
  char *after = read_text(r, PATH_LIMIT);
  bool parsed = after && read_finished(r) && depth > 0 && limit > 0 && limit <= PAGE_LIMIT;
  int status = parsed ? STATUS_OK : fail_with(body, STATUS_BAD_REQUEST, "LIST_PAGE does not parse");
  if (parsed && depth > 1 && scope->bounded) status = STATUS_UNBOUNDED;
  if (status == STATUS_OK) {
    struct buffer cursor = {0};
    struct listing listing = listing_of(path, depth, limit, body);
    listing.walk.most = limit;
    listing.resuming = *after != 0;
    if (listing.resuming) take_next(&listing, after);
    write_u32(body, 0);
    status = list_page(&listing, path, scope, &cursor);
    write_count(&listing);
    /* Relative to what is listed, without the slash that it begins with. */
    size_t slash = buffer_length(&cursor) > 0;
    if (status == STATUS_OK) write_bytes(body, buffer_data(&cursor) + slash, buffer_length(&cursor) - slash);
    buffer_free(&cursor);
    if (status != STATUS_OK) status = fail_with(body, status, "");
  }
  free(after);
  return status;
}
