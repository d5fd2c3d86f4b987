#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribute-calls.h"
#include "entry.h"
#include "listing.h"
#include "paths.h"
#include "status.h"
#include "tree.h"

enum operation { OP_STAT = 32, OP_LIST, OP_MKDIR, OP_REMOVE, OP_MOVE, OP_COPY, OP_CHMOD, OP_SYMLINK, OP_LIST_PAGE, OP_ATTRIBUTES, OP_SET_ATTRIBUTES };

/* A file that is copied while other requests wait. */
enum { SMALL_FILE = 1 << 20 };

int files_begin(struct reader *r, struct user *user, char path[PATH_LIMIT + 1], struct buffer *body) {
  char *name = read_text(r, USER_TEXT - 1);
  char *text = read_text(r, PATH_LIMIT);
  int status = STATUS_OK;
  if (!name || !text)
    status = fail_with(body, STATUS_BAD_REQUEST, "user or path does not parse");
  else if (!user_find(name, user))
    status = fail_with(body, STATUS_NO_SUCH_USER, name);
  else if (!path_resolve(user, text, path))
    status = ENAMETOOLONG;
  else if (!user_assume(user))
    status = fail_with(body, EPERM, "cannot become this user");
  free(name);
  free(text);
  return status;
}

/* A slash at the end asks for the directory itself, which the last component names. */
static void drop_slashes(char *path) {
  for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';) path[--length] = 0;
}

static int do_mkdir(char *path, struct reader *r, struct buffer *body) {
  mode_t mode = read_u32(r) & 07777;
  bool above = read_u8(r);
  struct parents parents = {0};
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "MKDIR does not parse");
  drop_slashes(path);
  int problem = above ? parents_make(path, &parents) : 0;
  if (!problem && mkdir(path, mode)) problem = errno;
  if (!problem) problem = entry_write(body, path);
  if (problem) parents_remove(path, &parents);
  return problem;
}

static int transfer_tree(uint16_t op, const struct place *from, const struct place *to, struct tree_options options, const struct file_scope *scope, const struct tree_call *call) {
  struct stat st;
  if (op == OP_COPY) {
    bool small = fstatat(from->parent, from->name, &st, AT_SYMLINK_NOFOLLOW) || (!S_ISDIR(st.st_mode) && st.st_size <= SMALL_FILE);
    if (scope->bounded && !small) return STATUS_UNBOUNDED;
    int problem = tree_copy(from, to, options, call);
    return scope->bounded && problem == EFBIG ? STATUS_UNBOUNDED : problem;
  }
  int problem = tree_rename(from, to, options.overwrite, call);
  if (problem != EXDEV) return problem;
  return scope->bounded ? STATUS_UNBOUNDED : tree_relocate(from, to, options.overwrite, call);
}

static int between(uint16_t op, const char *source, const char *destination, struct tree_options options, const struct file_scope *scope, struct buffer *body) {
  /* Files of /proc can be endless whatever their size says, and others grow. */
  struct tree_call call = {.cancelled = scope->cancelled, .failed = body, .limit = scope->bounded ? SMALL_FILE : 0};
  struct place from = {.parent = -1};
  struct place to = {.parent = -1};
  int problem = place_open(&from, source);
  if (!problem && (problem = place_open(&to, destination))) (void)fail_with(body, problem, destination);
  if (!problem) problem = transfer_tree(op, &from, &to, options, scope, &call);
  /* By descriptor: the path itself may lead through the link that was replaced. */
  if (!problem) problem = entry_write_at(body, to.parent, to.name, to.path);
  place_close(&from);
  place_close(&to);
  return problem;
}

static int do_two_paths(uint16_t op, const struct user *user, const char *source, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  char destination[PATH_LIMIT + 1];
  char named[PATH_LIMIT + 1];
  struct parents parents = {0};
  struct stat st;
  char *text = read_text(r, PATH_LIMIT);
  bool resolved = text && path_resolve(user, text, destination);
  free(text);
  bool first = read_u8(r);
  bool overwrite = read_u8(r);
  if (!read_finished(r) || !resolved) return fail_with(body, STATUS_BAD_REQUEST, "destination does not parse");
  if (lstat(source, &st)) return errno;
  memcpy(named, destination, sizeof named);
  drop_slashes(named);
  int problem = op == OP_COPY || first ? parents_make(named, &parents) : 0;
  if (problem) return fail_with(body, problem, named);
  problem = between(op, source, destination, (struct tree_options){op == OP_COPY && first, overwrite}, scope, body);
  if (problem) parents_remove(named, &parents);
  return problem;
}

static int do_symlink(const struct user *user, const char *target, struct reader *r, struct buffer *body) {
  char path[PATH_LIMIT + 1];
  char *text = read_text(r, PATH_LIMIT);
  bool resolved = text && read_finished(r) && path_resolve(user, text, path);
  free(text);
  if (!resolved) return fail_with(body, STATUS_BAD_REQUEST, "SYMLINK does not parse");
  return symlink(target, path) ? errno : entry_write(body, path);
}

static int do_stat(char *path, struct reader *r, struct buffer *body) {
  bool follow = read_u8(r);
  char final[PATH_MAX];
  struct stat st;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "STAT does not parse");
  if (!follow) {
    if (lstat(path, &st)) return errno;
    drop_slashes(path);
    return entry_write(body, path);
  }
  if (!realpath(path, final)) return errno;
  return entry_write(body, final);
}

/* Removing a tree fails at its root only after everything below is gone: what cannot be removed is known before. */
static bool removable(char *path) {
  struct stat st, root;
  drop_slashes(path);
  const char *name = strrchr(path, '/') + 1;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  return lstat(path, &st) || lstat("/", &root) || st.st_dev != root.st_dev || st.st_ino != root.st_ino;
}

static int do_remove(char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  bool recursive = read_u8(r);
  struct tree_call call = {.cancelled = scope->cancelled, .failed = body};
  struct place place;
  struct stat st;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "REMOVE does not parse");
  /* With the slash at its end, which a file refuses. */
  int problem = lstat(path, &st) ? errno : 0;
  if (!removable(path)) return fail_with(body, EINVAL, "the root directory, '.' and '..' cannot be removed");
  if (problem) return problem;
  if (lstat(path, &st)) return errno;
  if (!S_ISDIR(st.st_mode)) return unlink(path) ? errno : STATUS_OK;
  if (rmdir(path) == 0) return STATUS_OK;
  if (!recursive || (errno != ENOTEMPTY && errno != EEXIST)) return errno;
  if (scope->bounded) return STATUS_UNBOUNDED;
  problem = place_open(&place, path);
  if (problem) return problem;
  problem = tree_remove(&place, &call);
  place_close(&place);
  return problem;
}

static int do_chmod(const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  mode_t mode = read_u32(r);
  bool recursive = read_u8(r);
  struct tree_call call = {.cancelled = scope->cancelled, .failed = body};
  struct stat st;
  if (!read_finished(r) || mode > 07777) return fail_with(body, STATUS_BAD_REQUEST, "CHMOD does not parse");
  if (stat(path, &st)) return errno;
  if (recursive && scope->bounded && S_ISDIR(st.st_mode)) return STATUS_UNBOUNDED;
  int problem = recursive ? tree_chmod(path, mode, &call) : chmod(path, mode) ? errno : 0;
  return problem ? problem : entry_write(body, path);
}

int file_call(uint16_t op, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  struct user user;
  char path[PATH_LIMIT + 1];
  if (op < OP_STAT || op > OP_SET_ATTRIBUTES) return fail_with(body, STATUS_BAD_REQUEST, "unknown operation");
  int status = files_begin(r, &user, path, body);
  if (status == STATUS_OK) {
    switch (op) {
      case OP_STAT:
        status = do_stat(path, r, body);
        break;
      case OP_LIST:
        drop_slashes(path);
        status = list_call(path, r, scope, body);
        break;
      case OP_LIST_PAGE:
        drop_slashes(path);
        status = list_page_call(path, r, scope, body);
        break;
      case OP_MKDIR:
        status = do_mkdir(path, r, body);
        break;
      case OP_REMOVE:
        status = do_remove(path, r, scope, body);
        break;
      case OP_CHMOD:
        status = do_chmod(path, r, scope, body);
        break;
      case OP_SYMLINK:
        status = do_symlink(&user, path, r, body);
        break;
      case OP_ATTRIBUTES:
        status = attributes_list_call(&user, path, r, scope, body);
        break;
      case OP_SET_ATTRIBUTES:
        status = attributes_set_call(path, r, body);
        break;
      default:
        status = do_two_paths(op, &user, path, r, scope, body);
    }
  }
  user_restore();
  return status;
}
