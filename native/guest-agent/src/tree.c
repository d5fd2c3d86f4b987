#define _GNU_SOURCE
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "walk.h"

int place_open(struct place *place, const char *path) {
  char above[PATH_LIMIT + 1];
  size_t length = strlen(path);
  memcpy(place->path, path, length + 1);
  while (length > 1 && place->path[length - 1] == '/') place->path[--length] = 0;
  place->directory = path[length] == '/';
  const char *slash = strrchr(place->path, '/');
  snprintf(place->name, sizeof place->name, "%s", slash[1] ? slash + 1 : ".");
  snprintf(above, sizeof above, "%.*s", slash == place->path ? 1 : (int)(slash - place->path), place->path);
  place->parent = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return place->parent < 0 ? errno : 0;
}

void place_close(struct place *place) {
  if (place->parent >= 0) close(place->parent);
  place->parent = -1;
}

int rename_new(int from_parent, const char *from, int to_parent, const char *to) {
  struct stat st;
  if (renameat2(from_parent, from, to_parent, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  /* A file system that does not know the flag. */
  if (fstatat(to_parent, to, &st, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  return renameat(from_parent, from, to_parent, to) ? errno : 0;
}

/* What is no longer there, or no longer a directory, is not the caller's concern below the root. */
static bool vanished(int problem) { return problem == ENOENT || problem == ENOTDIR; }

static void name_failure(const struct walk *w, const char *root, const struct tree_call *call) {
  if (!call->failed || buffer_length(call->failed) > 0) return;
  if (buffer_append(call->failed, root, strlen(root))) (void)walk_path(w, call->failed);
}

static int enter_to_remove(struct walk *w, int parent, const char *name, const struct tree_call *call) {
  if (call->unlock) (void)fchmodat(parent, name, S_IRWXU, AT_SYMLINK_NOFOLLOW);
  return walk_enter(w, parent, name);
}

static int remove_name(struct walk *w, const char *name, const struct tree_call *call) {
  int parent = walk_fd(w);
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  struct stat st;
  int problem = errno;
  if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT ? 0 : errno;
  if (!S_ISDIR(st.st_mode)) return problem;
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0) return 0;
  problem = errno == ENOTEMPTY || errno == EEXIST ? enter_to_remove(w, parent, name, call) : errno;
  return vanished(problem) ? 0 : problem;
}

/* Leaves the deepest directory, which has nothing left in it, and removes it. */
static int remove_left(struct walk *w, const struct place *root) {
  size_t depth = walk_depth(w);
  int problem = walk_leave(w);
  if (problem) return problem;
  int parent = depth > 1 ? walk_fd(w) : root->parent;
  const char *name = depth > 1 ? walk_name(w, depth - 2) : root->name;
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 || vanished(errno) ? 0 : errno;
}

int tree_remove(const struct place *place, const struct tree_call *call) {
  struct walk w = {0};
  struct stat st;
  if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW)) return errno;
  if (!S_ISDIR(st.st_mode)) return unlinkat(place->parent, place->name, 0) ? errno : 0;
  int problem = enter_to_remove(&w, place->parent, place->name, call);
  /* An empty directory that may not be read can still be removed. */
  if (problem == EACCES && unlinkat(place->parent, place->name, AT_REMOVEDIR) == 0) problem = 0;
  while (!problem && walk_depth(&w) > 0) {
    const char *name = walk_next(&w);
    problem = is_cancelled(call->cancelled) ? ECANCELED : name ? remove_name(&w, name, call) : remove_left(&w, place);
  }
  if (problem) name_failure(&w, place->path, call);
  walk_end(&w);
  return problem;
}

static int chmod_name(struct walk *w, const char *name, mode_t mode) {
  int parent = walk_fd(w);
  struct stat st;
  if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW)) return errno;
  if (S_ISLNK(st.st_mode)) return 0;
  if (S_ISDIR(st.st_mode)) {
    int problem = walk_enter(w, parent, name);
    if (problem != EACCES) return problem;
    /* Perhaps the new mode lets it be read. */
    if (fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW)) return errno;
    return walk_enter(w, parent, name);
  }
  /* A link that took the file's place in between is not followed either. */
  return fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW) == 0 || errno == EOPNOTSUPP ? 0 : errno;
}

/* A directory changes after what is in it: a mode that takes the right to enter it does not end the walk. */
static int chmod_left(struct walk *w, mode_t mode) {
  int problem = fchmod(walk_fd(w), mode) ? errno : 0;
  int left = walk_leave(w);
  return problem ? problem : left;
}

int tree_chmod(const char *path, mode_t mode, const struct tree_call *call) {
  struct walk w = {0};
  struct stat st;
  int root = open(path, O_PATH | O_CLOEXEC);
  if (root < 0) return errno;
  int problem = fstat(root, &st) ? errno : 0;
  bool directory = !problem && S_ISDIR(st.st_mode);
  if (directory) problem = walk_enter(&w, root, ".");
  /* A directory that may not be read can perhaps be with its new mode. */
  if (!problem && !directory && chmod(path, mode)) problem = errno;
  if (directory && problem == EACCES) problem = chmod(path, mode) ? errno : walk_enter(&w, root, ".");
  while (!problem && walk_depth(&w) > 0) {
    const char *name = walk_next(&w);
    problem = is_cancelled(call->cancelled) ? ECANCELED : name ? chmod_name(&w, name, mode) : chmod_left(&w, mode);
    if (name && vanished(problem)) problem = 0;
  }
  if (problem) name_failure(&w, path, call);
  walk_end(&w);
  close(root);
  return problem;
}
