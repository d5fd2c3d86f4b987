/*
 * Copies of trees. Each thing is made under a temporary name next to its destination and renamed when it is whole: a file
 * alone, a new directory with all it holds. Only directories that are at the destination already are filled in place; what
 * was put into them is recorded, and taken out again when the call fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "below.h"
#include "copy-content.h"
#include "temporary.h"
#include "tree-copy.h"
#include "walk.h"

enum { CHANGES = 8, LINK_SIZE = 4096 };

/* Between two looks a name of the source vanished, or one of source and destination became something else: that is copied anew. */
enum { SOURCE_GONE = -1, CHANGED = -2 };

/* How a directory of the destination is filled. */
enum filling { NEW, INSIDE_NEW, MERGED };

struct target {
  enum filling filling;
  char temporary[TEMPORARY_SIZE]; /* of a NEW one, until it is renamed */
  bool replaces;                  /* an empty directory, which rename decides */
};

struct copy {
  const struct tree_call *call;
  struct tree_options options;
  bool moves; /* directories at the destination are replaced and not filled, and nothing may be mounted in the source */
  const struct place *source;
  const struct place *destination;
  struct walk walk;       /* of the source */
  struct descent targets; /* directories of the destination, one for each of the walk */
  struct target *levels;
  size_t room;
  struct stat made; /* the outermost new directory: never copied into itself */
  bool has_made;
  struct link_map links;
  struct created *created;
};

/* Where one name is made: under a temporary name except inside a new directory. */
struct slot {
  int parent;
  const char *name;
  char temporary[TEMPORARY_SIZE];
  bool exists;
  struct stat replaced;
};

static const char *made_name(const struct slot *slot) { return slot->temporary[0] ? slot->temporary : slot->name; }

static size_t depth_of(const struct copy *c) { return walk_depth(&c->walk); }
static int source_parent(const struct copy *c) { return depth_of(c) > 0 ? walk_fd(&c->walk) : c->source->parent; }
static int target_parent(const struct copy *c) { return c->targets.depth > 0 ? descent_fd(&c->targets) : c->destination->parent; }

static const char *source_name(const struct copy *c) { return depth_of(c) > 0 ? walk_name(&c->walk, depth_of(c) - 1) : c->source->name; }
/* At the top the destination has a name, below it what is copied keeps its own. */
static const char *target_name(const struct copy *c) { return depth_of(c) > 0 ? source_name(c) : c->destination->name; }

/* The path of what is copied now, relative to the directory above the destination. */
static bool path_from_above(const struct copy *c, struct buffer *path) {
  const char *top = c->destination->name;
  return buffer_append(path, top, strlen(top)) && walk_path(&c->walk, path) && buffer_append(path, "", 1);
}

/* The same relative to the destination itself. */
static bool path_from_top(const struct copy *c, struct buffer *path) {
  if (!walk_path(&c->walk, path) || !buffer_append(path, "", 1)) return false;
  buffer_consume(path, 1);
  return true;
}

static int source_problem(int problem) {
  if (problem == ENOENT) return SOURCE_GONE;
  return problem == ENOTDIR || problem == ELOOP || problem == ENXIO || problem == EINVAL ? CHANGED : problem;
}

static void say(const struct copy *c, const char *text) {
  if (c->call->failed) (void)buffer_append(c->call->failed, text, strlen(text));
}

/* Names the place that the error is about, unless that was done; `reason` stands before it. */
static int fail_at(const struct copy *c, const struct place *top, int problem, const char *reason) {
  if (!problem || !c->call->failed || buffer_length(c->call->failed) > 0) return problem;
  say(c, reason);
  say(c, top->path);
  (void)walk_path(&c->walk, c->call->failed);
  return problem;
}

/* Whether what is at the destination may make way; nothing has been changed so far. */
static int check_replaced(const struct copy *c, const struct stat *st, const struct slot *slot) {
  const struct stat *there = &slot->replaced;
  if (depth_of(c) == 0 && !c->options.overwrite) return EEXIST;
  if (is_same_file(st, there)) return fail_at(c, c->destination, EINVAL, "source and destination are the same file: ");
  if (S_ISDIR(st->st_mode)) return S_ISDIR(there->st_mode) ? 0 : ENOTDIR;
  if (S_ISDIR(there->st_mode)) return EISDIR;
  if (S_ISLNK(there->st_mode)) return 0;
  if (!S_ISREG(there->st_mode)) return fail_at(c, c->destination, EINVAL, "not a regular file: ");
  /* A file that may not be written may not be replaced by a copy either. AT_EACCESS: by the rights taken on for this call. */
  return c->moves || faccessat(slot->parent, slot->name, W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static int prepare_slot(const struct copy *c, const struct stat *st, struct slot *slot) {
  *slot = (struct slot){.parent = target_parent(c), .name = target_name(c)};
  if (c->targets.depth > 0 && c->levels[c->targets.depth - 1].filling != MERGED) return 0;
  slot->exists = fstatat(slot->parent, slot->name, &slot->replaced, AT_SYMLINK_NOFOLLOW) == 0;
  if (!slot->exists && errno != ENOENT) return errno;
  int problem = slot->exists ? fail_at(c, c->destination, check_replaced(c, st, slot), "") : 0;
  if (problem || (slot->exists && S_ISDIR(st->st_mode) && !c->moves)) return problem;
  return temporary_draw(TEMPORARY_COPY, slot->temporary);
}

/* Records what is about to be put into a directory that was there before. */
static int record_created(struct copy *c, const struct stat *st) {
  struct buffer path = {0};
  bool recorded = path_from_above(c, &path) && created_add(&c->created, st, (const char *)buffer_data(&path));
  buffer_free(&path);
  return recorded ? 0 : ENOMEM;
}

/* Puts what is whole under its name in the deepest directory of the destination. */
static int put_in_place(struct copy *c, const char *temporary, bool exists) {
  int parent = target_parent(c);
  struct stat st;
  if (fstatat(parent, temporary, &st, AT_SYMLINK_NOFOLLOW)) return errno;
  int problem = exists ? 0 : record_created(c, &st);
  if (problem) return problem;
  if (exists)
    problem = renameat(parent, temporary, parent, target_name(c)) ? errno : 0;
  else
    problem = rename_new(parent, temporary, parent, target_name(c));
  /* The record of what was not put in place finds another file there, or none. */
  if (problem == EEXIST && !exists && (c->options.overwrite || depth_of(c) > 0)) return CHANGED;
  return fail_at(c, c->destination, problem, "");
}

/* Removes what this call made, also when it was cancelled, and whatever modes it was given. */
static void remove_made(int parent, const char *name) {
  struct place place = {.parent = parent};
  struct tree_call call = {.unlock = true};
  snprintf(place.name, sizeof place.name, "%s", name);
  (void)tree_remove(&place, &call);
}

static int fill_file(struct copy *c, int from, int to, const struct stat *st) {
  int problem = content_copy(from, to, st->st_size, c->call->limit, c->call->cancelled);
  return problem ? problem : attributes_copy(from, to, st);
}

static int make_file(struct copy *c, const struct slot *slot) {
  struct stat st;
  int from = openat(source_parent(c), source_name(c), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (from < 0) return source_problem(errno);
  int problem = fstat(from, &st) ? errno : S_ISREG(st.st_mode) ? 0 : CHANGED;
  int to = problem ? -1 : openat(slot->parent, made_name(slot), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (!problem && to < 0) problem = errno;
  if (to >= 0) {
    problem = fill_file(c, from, to, &st);
    if (close(to) && !problem) problem = errno;
    if (problem) (void)unlinkat(slot->parent, made_name(slot), 0);
  }
  close(from);
  return problem;
}

static int make_link(const struct copy *c, const struct slot *slot) {
  char target[LINK_SIZE + 1];
  ssize_t n = readlinkat(source_parent(c), source_name(c), target, LINK_SIZE);
  if (n < 0) return source_problem(errno);
  target[n] = 0;
  return symlinkat(target, slot->parent, made_name(slot)) ? errno : 0;
}

/* Where in the destination something is now that will be at `path`: directories around what is copied may have temporary names still. */
static bool path_by_now(const struct copy *c, const char *path, struct buffer *now) {
  bool around = true;
  for (size_t level = 0;; level++) {
    size_t length = strcspn(path, "/");
    const char *end = path + length;
    around = around && *end && level + 1 < depth_of(c) && strlen(walk_name(&c->walk, level)) == length && memcmp(walk_name(&c->walk, level), path, length) == 0;
    const char *temporary = around ? c->levels[level + 1].temporary : "";
    if (!buffer_append(now, *temporary ? temporary : path, *temporary ? strlen(temporary) : length)) return false;
    if (!buffer_append(now, *end ? "/" : "", 1)) return false;
    if (!*end) return true;
    path = end + 1;
  }
}

/* Links to the first name of the same file if it was copied; ENOENT when the file itself has to be copied. */
static int make_hard_link(const struct copy *c, const struct stat *st, const struct slot *slot) {
  const char *first = c->targets.depth > 0 && st->st_nlink > 1 ? link_map_find(&c->links, st) : NULL;
  struct buffer path = {0};
  const char *name;
  if (!first) return ENOENT;
  int parent = path_by_now(c, first, &path) ? below_open(c->targets.directories[0].fd, (const char *)buffer_data(&path), &name) : -1;
  int problem = parent < 0 || linkat(parent, name, slot->parent, made_name(slot), 0) ? ENOENT : 0;
  if (parent >= 0) close(parent);
  buffer_free(&path);
  return problem;
}

static int remember_hard_link(struct copy *c, const struct stat *st) {
  struct buffer path = {0};
  if (c->targets.depth == 0 || st->st_nlink < 2 || link_map_find(&c->links, st)) return 0;
  bool added = path_from_top(c, &path) && link_map_add(&c->links, st, (const char *)buffer_data(&path));
  buffer_free(&path);
  return added ? 0 : ENOMEM;
}

static int make_node(struct copy *c, const struct stat *st, const struct slot *slot) {
  if (make_hard_link(c, st, slot) == 0) return 0;
  int problem = 0;
  if (S_ISREG(st->st_mode)) {
    problem = make_file(c, slot);
  } else {
    if (S_ISLNK(st->st_mode))
      problem = make_link(c, slot);
    else
      problem = mknodat(slot->parent, made_name(slot), (st->st_mode & S_IFMT) | 0600, st->st_rdev) ? errno : 0;
    if (problem) return problem;
    problem = attributes_set(slot->parent, made_name(slot), st);
    if (problem) (void)unlinkat(slot->parent, made_name(slot), 0);
  }
  return problem ? problem : remember_hard_link(c, st);
}

static int copy_node(struct copy *c, const struct stat *st, const struct slot *slot) {
  if (!c->options.recursive && !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode)) return fail_at(c, c->source, EINVAL, "not a regular file: ");
  int problem = make_node(c, st, slot);
  if (problem || !slot->temporary[0]) return problem;
  problem = put_in_place(c, slot->temporary, slot->exists);
  if (problem) (void)unlinkat(slot->parent, slot->temporary, 0);
  return problem;
}

static bool make_room(struct copy *c) {
  if (depth_of(c) < c->room) return true;
  size_t room = c->room > 0 ? c->room * 2 : 16;
  struct target *levels = realloc(c->levels, room * sizeof *levels);
  if (!levels) return false;
  c->levels = levels;
  c->room = room;
  return true;
}

/* Enters both, the source first; whether it was a directory all along is known only now. */
static int enter_both(struct copy *c, int to) {
  int problem = walk_enter(&c->walk, source_parent(c), source_name(c));
  if (problem) {
    close(to);
    return source_problem(problem);
  }
  problem = descent_enter(&c->targets, to);
  if (problem) (void)walk_leave(&c->walk);
  return problem;
}

/* Enters a directory of the source and the one of the destination that it fills. */
static int enter_directory(struct copy *c, const struct stat *st, const struct slot *slot) {
  struct target level = {.filling = slot->exists && !c->moves ? MERGED : slot->temporary[0] ? NEW : INSIDE_NEW, .replaces = slot->exists};
  if (!c->options.recursive) return EISDIR;
  if (c->has_made && is_same_file(st, &c->made)) return 0;
  if (!make_room(c)) return ENOMEM;
  memcpy(level.temporary, slot->temporary, sizeof level.temporary);
  if (level.filling != MERGED && mkdirat(slot->parent, made_name(slot), 0700)) return errno;
  int to = descent_open(slot->parent, made_name(slot));
  if (level.filling == NEW && !c->has_made) c->has_made = to >= 0 && fstat(to, &c->made) == 0;
  int problem = to < 0 ? errno : enter_both(c, to);
  if (!problem) {
    c->levels[depth_of(c) - 1] = level;
  } else if (level.filling != MERGED) {
    /* The slot's own name may have moved in memory when more names were read. */
    (void)unlinkat(slot->parent, level.temporary[0] ? level.temporary : target_name(c), AT_REMOVEDIR);
  }
  return problem;
}

static int finish_directory(struct copy *c) {
  struct stat st;
  int from = walk_fd(&c->walk);
  if (c->levels[depth_of(c) - 1].filling == MERGED) return 0;
  return fstat(from, &st) ? errno : attributes_copy(from, descent_fd(&c->targets), &st);
}

static int leave_directory(struct copy *c) {
  struct target level = c->levels[depth_of(c) - 1];
  int problem = finish_directory(c);
  if (problem) return problem;
  problem = walk_leave(&c->walk);
  int lost = descent_leave(&c->targets);
  if (!problem) problem = lost;
  if (level.filling != NEW) return problem;
  if (!problem) problem = put_in_place(c, level.temporary, level.replaces);
  if (problem) remove_made(target_parent(c), level.temporary);
  return problem;
}

/* What is mounted in a source could be copied, but the source could not be removed. */
static bool is_mounted(const struct copy *c) {
  struct statx sx;
  return c->moves && depth_of(c) > 0 && statx(source_parent(c), source_name(c), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &sx) == 0 && sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static int copy_once(struct copy *c) {
  struct stat st;
  struct slot slot;
  if (fstatat(source_parent(c), source_name(c), &st, AT_SYMLINK_NOFOLLOW)) return source_problem(errno);
  if (is_mounted(c)) return fail_at(c, c->source, EBUSY, "");
  int problem = prepare_slot(c, &st, &slot);
  if (problem) return problem;
  return S_ISDIR(st.st_mode) ? enter_directory(c, &st, &slot) : copy_node(c, &st, &slot);
}

/* Copies what the walk handed out last; without a walk, the source itself. */
static int copy_entry(struct copy *c) {
  int problem = CHANGED;
  /* What is being made in the source is no part of it yet. */
  if (depth_of(c) > 0 && temporary_is(source_name(c))) return 0;
  for (int i = 0; problem == CHANGED && i < CHANGES; i++) problem = copy_once(c);
  if (problem == CHANGED) return EBUSY;
  if (problem == SOURCE_GONE) return depth_of(c) > 0 ? 0 : ENOENT;
  return problem;
}

static int copy_next(struct copy *c) {
  if (is_cancelled(c->call->cancelled)) return ECANCELED;
  if (walk_next(&c->walk)) return copy_entry(c);
  int problem = leave_directory(c);
  if (problem != CHANGED) return problem;
  /* Another directory came to be there while this one was copied: the two are merged. */
  c->has_made = false;
  link_map_free(&c->links);
  return copy_entry(c);
}

/* Takes out what the call put in; directories that were there before, and files that were replaced, stay. */
static void undo(struct copy *c) {
  while (c->targets.depth > 0) {
    struct target level = c->levels[c->targets.depth - 1];
    int lost = descent_leave(&c->targets);
    if (level.filling == NEW) remove_made(target_parent(c), level.temporary);
    if (lost) break;
  }
  for (const struct created *created = c->created; created; created = created->next) {
    struct stat st;
    const char *name;
    int parent = below_open(c->destination->parent, created->path, &name);
    if (parent < 0) continue;
    /* Another file of that name belongs to someone else. */
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == created->device && st.st_ino == created->inode) remove_made(parent, name);
    close(parent);
  }
}

int copy_tree(const struct copy_request *request) {
  struct copy copying = {.call = request->call, .options = request->options, .moves = request->moves, .source = request->source, .destination = request->destination};
  struct copy *c = &copying;
  int problem = copy_entry(c);
  while (!problem && depth_of(c) > 0) problem = copy_next(c);
  if (problem) {
    (void)fail_at(c, c->source, problem, "");
    undo(c);
  }
  walk_end(&c->walk);
  descent_end(&c->targets);
  free(c->levels);
  link_map_free(&c->links);
  created_free(&c->created);
  return problem;
}
