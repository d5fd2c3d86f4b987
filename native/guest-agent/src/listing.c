#define _GNU_SOURCE
#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "paths.h"
#include "status.h"
#include "temporary.h"
#include "walk.h"

enum { DEPTH_LIMIT = 128, BODY_LIMIT = 15 << 20 };

struct listing {
  struct walk walk;
  const char *top; /* "" for the root directory */
  struct buffer *body;
  uint32_t depth;
  uint32_t limit;
  uint32_t count;
};

/* A directory that may not be read, or is no longer one, is listed itself, without its content. */
static int enter(struct listing *l, int parent, const char *name) {
  int problem = walk_enter(&l->walk, parent, name);
  if (problem == EACCES || problem == ENOENT || problem == ENOTDIR || problem == ELOOP) return STATUS_OK;
  return problem ? problem : walk_sort(&l->walk);
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
      if (S_ISDIR(st.st_mode) && walk_depth(&l->walk) < l->depth) status = enter(l, walk_fd(&l->walk), name);
    }
  }
  buffer_free(&path);
  return status;
}

static int list_tree(struct listing *l, const char *path, const struct file_scope *scope) {
  int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno;
  int status = walk_enter(&l->walk, root, ".");
  close(root);
  if (status == STATUS_OK) status = walk_sort(&l->walk);
  while (status == STATUS_OK && walk_depth(&l->walk) > 0) {
    const char *name = walk_next(&l->walk);
    status = is_cancelled(scope->cancelled) ? ECANCELED : name ? list_name(l, name) : walk_leave(&l->walk);
  }
  walk_end(&l->walk);
  return status;
}

int list_call(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  uint32_t depth = read_u32(r);
  uint32_t limit = read_u32(r);
  if (!read_finished(r) || depth == 0) return fail_with(body, STATUS_BAD_REQUEST, "LIST does not parse");
  if (depth > 1 && scope->bounded) return STATUS_UNBOUNDED;
  struct listing listing = {.top = strcmp(path, "/") == 0 ? "" : path, .body = body, .depth = depth < DEPTH_LIMIT ? depth : DEPTH_LIMIT, .limit = limit};
  write_u32(body, 0);
  int status = list_tree(&listing, path, scope);
  if (status != STATUS_OK) return fail_with(body, status, "");
  for (size_t i = 0; i < 4; i++) body->bytes[body->start + i] = (uint8_t)(listing.count >> (8 * i));
  return STATUS_OK;
}
