#define _GNU_SOURCE
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "status.h"
#include "tree.h"

enum operation { OP_STAT = 32, OP_LIST, OP_MKDIR, OP_REMOVE, OP_MOVE, OP_COPY, OP_CHMOD, OP_SYMLINK };

enum { DEPTH_LIMIT = 128, BODY_LIMIT = 15 << 20 };

static uint8_t type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 1;
    case S_IFDIR:
      return 2;
    case S_IFLNK:
      return 3;
    case S_IFCHR:
      return 4;
    case S_IFBLK:
      return 5;
    case S_IFIFO:
      return 6;
    default:
      return 7;
  }
}

int entry_write(struct buffer *body, const char *path) {
  struct stat st;
  struct stat target;
  char name[USER_TEXT];
  char link[PATH_LIMIT + 1];
  ssize_t link_length = 0;
  if (lstat(path, &st)) return errno;
  write_text(body, path);
  write_u8(body, type_of(st.st_mode));
  write_u32(body, st.st_mode & 07777);
  write_u32(body, st.st_uid);
  write_u32(body, st.st_gid);
  user_name(st.st_uid, name);
  write_text(body, name);
  group_name(st.st_gid, name);
  write_text(body, name);
  write_u64(body, (uint64_t)st.st_size);
  write_u64(body, (uint64_t)((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec));
  write_u64(body, st.st_ino);
  write_u32(body, (uint32_t)st.st_nlink);
  if (S_ISLNK(st.st_mode)) link_length = readlink(path, link, sizeof link);
  write_bytes(body, link, link_length > 0 ? (size_t)link_length : 0);
  write_u8(body, S_ISLNK(st.st_mode) && stat(path, &target) == 0 ? type_of(target.st_mode) : 0);
  return STATUS_OK;
}

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

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int not_dots(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

struct listing {
  struct buffer *body;
  uint32_t count;
  uint32_t limit;
};

static int list_directory(struct listing *listing, const char *path, uint32_t depth) {
  struct dirent **names;
  int count = scandir(path, &names, not_dots, by_bytes);
  int status = count < 0 ? errno : STATUS_OK;
  for (int i = 0; i < count; i++) {
    char child[PATH_LIMIT + 1];
    struct stat st;
    int n = snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") == 0 ? "" : path, names[i]->d_name);
    /* A name that vanished meanwhile, or that is too deep to have a path, is left out. */
    if (status == STATUS_OK && n > 0 && n <= PATH_LIMIT && lstat(child, &st) == 0) {
      if (listing->count++ >= listing->limit || buffer_length(listing->body) > BODY_LIMIT)
        status = STATUS_TOO_LARGE;
      else if (entry_write(listing->body, child) == STATUS_OK && S_ISDIR(st.st_mode) && depth > 1)
        status = list_directory(listing, child, depth - 1);
      /* A directory below that may not be read is listed itself, without its content. */
      if (status == EACCES) status = STATUS_OK;
    }
    free(names[i]);
  }
  if (count >= 0) free(names);
  return status;
}

static int do_list(const char *path, struct reader *r, struct buffer *body) {
  uint32_t depth = read_u32(r);
  uint32_t limit = read_u32(r);
  if (!read_finished(r) || depth == 0) return fail_with(body, STATUS_BAD_REQUEST, "LIST does not parse");
  struct listing listing = {.body = body, .limit = limit};
  write_u32(body, 0);
  int status = list_directory(&listing, path, depth < DEPTH_LIMIT ? depth : DEPTH_LIMIT);
  if (status != STATUS_OK) return fail_with(body, status, "");
  for (size_t i = 0; i < 4; i++) body->bytes[body->start + i] = (uint8_t)(listing.count >> (8 * i));
  return STATUS_OK;
}

static int do_mkdir(const char *path, struct reader *r, struct buffer *body) {
  mode_t mode = read_u32(r) & 07777;
  bool parents = read_u8(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "MKDIR does not parse");
  int problem = parents ? path_make_parents(path) : 0;
  if (problem) return problem;
  if (mkdir(path, mode)) return errno;
  return entry_write(body, path);
}

static int do_two_paths(uint16_t op, const struct user *user, const char *source, struct reader *r, struct buffer *body) {
  char destination[PATH_LIMIT + 1];
  char *text = read_text(r, PATH_LIMIT);
  bool resolved = text && path_resolve(user, text, destination);
  free(text);
  uint8_t first = read_u8(r);
  bool overwrite = read_u8(r);
  if (!read_finished(r) || !resolved) return fail_with(body, STATUS_BAD_REQUEST, "destination does not parse");
  struct stat st;
  if (lstat(source, &st)) return errno;
  if (!overwrite && lstat(destination, &st) == 0) return EEXIST;
  bool parents = op == OP_COPY || first;
  int problem = parents ? path_make_parents(destination) : 0;
  if (problem == 0) problem = op == OP_MOVE ? tree_move(source, destination) : tree_copy(source, destination, first);
  return problem ? problem : entry_write(body, destination);
}

static int do_symlink(const struct user *user, const char *target, struct reader *r, struct buffer *body) {
  char path[PATH_LIMIT + 1];
  char *text = read_text(r, PATH_LIMIT);
  bool resolved = text && read_finished(r) && path_resolve(user, text, path);
  free(text);
  if (!resolved) return fail_with(body, STATUS_BAD_REQUEST, "SYMLINK does not parse");
  return symlink(target, path) ? errno : entry_write(body, path);
}

static int do_stat(const char *path, struct reader *r, struct buffer *body) {
  bool follow = read_u8(r);
  char final[PATH_MAX];
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "STAT does not parse");
  if (!follow) return entry_write(body, path);
  if (!realpath(path, final)) return errno;
  return entry_write(body, final);
}

/* Removing a tree fails at its root only after everything below is gone: what cannot be removed is known before. A slash at the
   end, which would lead through a link, goes. */
static bool removable(char *path) {
  struct stat st, root;
  for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';) path[--length] = 0;
  const char *name = strrchr(path, '/') + 1;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  return lstat(path, &st) || lstat("/", &root) || st.st_dev != root.st_dev || st.st_ino != root.st_ino;
}

static int do_remove(char *path, struct reader *r, struct buffer *body) {
  bool recursive = read_u8(r);
  struct stat st;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "REMOVE does not parse");
  if (!removable(path)) return fail_with(body, EINVAL, "the root directory, '.' and '..' cannot be removed");
  if (lstat(path, &st)) return errno;
  if (S_ISDIR(st.st_mode) && recursive) return tree_remove(path);
  return (S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) ? errno : STATUS_OK;
}

static int do_chmod(const char *path, struct reader *r, struct buffer *body) {
  mode_t mode = read_u32(r);
  bool recursive = read_u8(r);
  if (!read_finished(r) || mode > 07777) return fail_with(body, STATUS_BAD_REQUEST, "CHMOD does not parse");
  int problem = recursive ? tree_chmod(path, mode) : chmod(path, mode) ? errno : 0;
  return problem ? problem : entry_write(body, path);
}

int run_file(uint16_t op, struct reader *r, struct buffer *body) {
  struct user user;
  char path[PATH_LIMIT + 1];
  if (op < OP_STAT || op > OP_SYMLINK) return fail_with(body, STATUS_BAD_REQUEST, "unknown operation");
  int status = files_begin(r, &user, path, body);
  if (status == STATUS_OK) {
    switch (op) {
      case OP_STAT:
        status = do_stat(path, r, body);
        break;
      case OP_LIST:
        status = do_list(path, r, body);
        break;
      case OP_MKDIR:
        status = do_mkdir(path, r, body);
        break;
      case OP_REMOVE:
        status = do_remove(path, r, body);
        break;
      case OP_CHMOD:
        status = do_chmod(path, r, body);
        break;
      case OP_SYMLINK:
        status = do_symlink(&user, path, r, body);
        break;
      default:
        status = do_two_paths(op, &user, path, r, body);
    }
  }
  user_restore();
  return status;
}
