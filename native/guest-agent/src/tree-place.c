/* What copies and moves check before they change anything, and the moves themselves. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree-copy.h"
#include "walk.h"

static int refuse(const struct tree_call *call, const char *reason, const struct place *place) {
  if (call->failed && buffer_append(call->failed, reason, strlen(reason))) (void)buffer_append(call->failed, place->path, strlen(place->path));
  return EINVAL;
}

/* An error that is about `place`. */
static int at(const struct tree_call *call, const struct place *place, int problem) {
  if (problem && call->failed && buffer_length(call->failed) == 0) (void)buffer_append(call->failed, place->path, strlen(place->path));
  return problem;
}

/* How often a move looks at its destination, if that appears and vanishes meanwhile. */
enum { LOOKS = 8 };

/* Whether `directory` is `top` or below it, whatever links and mounts lead there. */
static bool is_below(int directory, const struct stat *top) {
  struct stat st;
  struct stat above;
  bool below = false;
  int fd = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && !below && fstat(fd, &st) == 0) {
    below = is_same_file(&st, top);
    int parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool root = parent >= 0 && fstat(parent, &above) == 0 && is_same_file(&st, &above);
    close(fd);
    fd = parent;
    if (!root) continue;
    break;
  }
  if (fd >= 0) close(fd);
  return below;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* What every copy and move refuses. `st` and `there` describe source and destination; `exists` says whether there is one. */
struct pair {
  struct stat st;
  struct stat there;
  bool exists;
};

static int look_at(struct pair *pair, const struct place *source, const struct place *destination, const struct tree_call *call) {
  if (fstatat(source->parent, source->name, &pair->st, AT_SYMLINK_NOFOLLOW)) return errno;
  pair->exists = fstatat(destination->parent, destination->name, &pair->there, AT_SYMLINK_NOFOLLOW) == 0;
  if (!pair->exists && errno != ENOENT) return at(call, destination, errno);
  bool directory = S_ISDIR(pair->st.st_mode);
  /* A slash at the end asks for a directory. */
  if (source->directory && !directory && !S_ISLNK(pair->st.st_mode)) return ENOTDIR;
  if (destination->directory && !directory) return at(call, destination, pair->exists && S_ISDIR(pair->there.st_mode) ? EISDIR : ENOTDIR);
  if (pair->exists && is_same_file(&pair->st, &pair->there)) return refuse(call, "source and destination are the same file: ", destination);
  if (directory && is_below(destination->parent, &pair->st)) return refuse(call, "the destination is inside the source: ", destination);
  if (directory && pair->exists && S_ISDIR(pair->there.st_mode) && is_below(source->parent, &pair->there)) return refuse(call, "the source is inside the destination: ", destination);
  return 0;
}

int tree_copy(const struct place *source, const struct place *destination, struct tree_options options, const struct tree_call *call) {
  struct pair pair;
  int problem = look_at(&pair, source, destination, call);
  return problem ? problem : copy_tree(&(struct copy_request){call, source, destination, options, false});
}

static bool is_special(mode_t mode) { return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode); }

static int check_move(struct pair *pair, const struct place *source, const struct place *destination, bool overwrite, const struct tree_call *call) {
  if (is_dots(source->name) || is_dots(destination->name)) return refuse(call, "the root directory, '.' and '..' cannot be moved or replaced: ", is_dots(source->name) ? source : destination);
  int problem = look_at(pair, source, destination, call);
  if (problem || !pair->exists) return problem;
  if (!overwrite) return at(call, destination, EEXIST);
  bool directory = S_ISDIR(pair->st.st_mode);
  if (directory != S_ISDIR(pair->there.st_mode)) return at(call, destination, directory ? ENOTDIR : EISDIR);
  return is_special(pair->there.st_mode) ? refuse(call, "not a regular file: ", destination) : 0;
}

int tree_rename(const struct place *source, const struct place *destination, bool overwrite, const struct tree_call *call) {
  struct pair pair;
  int problem;
  int looks = 0;
  do {
    problem = check_move(&pair, source, destination, overwrite, call);
    if (problem) return problem;
    if (pair.exists)
      problem = renameat(source->parent, source->name, destination->parent, destination->name) ? errno : 0;
    else
      problem = rename_new(source->parent, source->name, destination->parent, destination->name);
    /* What came to be there between look and rename is replaced too. */
  } while (problem == EEXIST && overwrite && !pair.exists && ++looks < LOOKS);
  return problem == EEXIST || problem == ENOTEMPTY ? at(call, destination, problem) : problem;
}

/* Finds out before the long work what would make it useless. */
static int check_relocation(const struct pair *pair, const struct place *source, const struct place *destination, const struct tree_call *call) {
  struct statx sx;
  struct walk w = {0};
  if (statx(source->parent, source->name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &sx)) return errno;
  if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) return EBUSY;
  /* AT_EACCESS: by the rights taken on for this call. */
  if (faccessat(source->parent, ".", W_OK | X_OK, AT_EACCESS)) return errno;
  if (!pair->exists || !S_ISDIR(pair->there.st_mode) || walk_enter(&w, destination->parent, destination->name)) return 0;
  bool empty = walk_next(&w) == NULL;
  walk_end(&w);
  return at(call, destination, empty ? 0 : ENOTEMPTY);
}

int tree_relocate(const struct place *source, const struct place *destination, bool overwrite, const struct tree_call *call) {
  struct pair pair;
  struct tree_call uninterrupted = {.failed = call->failed};
  int problem = check_move(&pair, source, destination, overwrite, call);
  if (!problem) problem = check_relocation(&pair, source, destination, call);
  if (!problem) problem = copy_tree(&(struct copy_request){call, source, destination, {.recursive = true, .overwrite = overwrite}, true});
  /* The copy is whole and in place: what is left of the source is named if it cannot be removed. */
  return problem ? problem : tree_remove(source, &uninterrupted);
}
