#define _GNU_SOURCE
#include "condition.h"

static bool read_versions(struct file_versions *versions, struct reader *r) {
  versions->count = read_u32(r);
  if (versions->count > CONDITION_VERSIONS) return false;
  for (uint32_t i = 0; i < versions->count; i++) {
    struct file_version *one = &versions->list[i];
    one->inode = read_u64(r);
    one->size = read_u64(r);
    one->modified = (int64_t)read_u64(r);
  }
  return true;
}

bool condition_read(struct condition *condition, struct reader *r) {
  condition->exists = read_u8(r) != 0;
  condition->listed = read_u8(r) != 0;
  if (!read_versions(&condition->any, r) || !read_versions(&condition->none, r)) return false;
  condition->unmodified_since = (int64_t)read_u64(r);
  condition->timed = condition->unmodified_since != INT64_MAX;
  return true;
}

static bool has(const struct file_versions *versions, const struct stat *st) {
  int64_t modified = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
  for (uint32_t i = 0; i < versions->count; i++) {
    const struct file_version *one = &versions->list[i];
    if (one->inode == st->st_ino && one->size == (uint64_t)st->st_size && one->modified == modified) return true;
  }
  return false;
}

bool condition_holds(const struct condition *condition, const struct stat *st) {
  if (!st) return !condition->exists;
  if (condition->listed && !has(&condition->any, st)) return false;
  if (has(&condition->none, st)) return false;
  return !condition->timed || st->st_mtim.tv_sec <= condition->unmodified_since;
}
