#define _GNU_SOURCE
#include "entry.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "paths.h"
#include "status.h"
#include "users.h"
#include "wire.h"

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

int entry_describe(struct buffer *body, const char *path, const struct stat *st) {
  struct stat target;
  char name[USER_TEXT];
  char link[PATH_LIMIT + 1];
  ssize_t link_length = 0;
  write_text(body, path);
  write_u8(body, type_of(st->st_mode));
  write_u32(body, st->st_mode & 07777);
  write_u32(body, st->st_uid);
  write_u32(body, st->st_gid);
  user_name(st->st_uid, name);
  write_text(body, name);
  group_name(st->st_gid, name);
  write_text(body, name);
  write_u64(body, (uint64_t)st->st_size);
  write_u64(body, (uint64_t)((int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec));
  write_u64(body, st->st_ino);
  write_u32(body, (uint32_t)st->st_nlink);
  if (S_ISLNK(st->st_mode)) link_length = readlink(path, link, sizeof link);
  write_bytes(body, link, link_length > 0 ? (size_t)link_length : 0);
  write_u8(body, S_ISLNK(st->st_mode) && stat(path, &target) == 0 ? type_of(target.st_mode) : 0);
  return STATUS_OK;
}

int entry_write(struct buffer *body, const char *path) {
  struct stat st;
  return lstat(path, &st) ? errno : entry_describe(body, path, &st);
}

int entry_write_at(struct buffer *body, int parent, const char *name, const char *path) {
  struct stat st;
  return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) ? errno : entry_describe(body, path, &st);
}
