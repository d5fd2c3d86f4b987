#define _GNU_SOURCE
#include "copy-content.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "walk.h"

/* Between two parts a cancellation is noticed. */
enum { PART = 1 << 20, BYTES = 65536, SPECIAL_BITS = 07000, XATTR_LIMIT = 65536 };

/* 0 at the end of the file. */
static ssize_t read_and_write(int from, int to, off_t at, size_t length) {
  char bytes[BYTES];
  ssize_t n = pread(from, bytes, length < sizeof bytes ? length : sizeof bytes, at);
  for (ssize_t done = 0; done < n;) {
    ssize_t written = pwrite(to, bytes + done, (size_t)(n - done), at + done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    done += written;
  }
  return n;
}

int range_copy(int from, int to, off_t *at, off_t end, const atomic_bool *cancelled) {
  bool in_kernel = true;
  while (*at < end) {
    if (is_cancelled(cancelled)) return ECANCELED;
    size_t part = end - *at < PART ? (size_t)(end - *at) : PART;
    off_t source = *at;
    off_t target = *at;
    ssize_t n = in_kernel ? copy_file_range(from, &source, to, &target, part, 0) : read_and_write(from, to, *at, part);
    if (n <= 0 && in_kernel) {
      /* Two file systems, or one that cannot: reading and writing says what is really wrong, and where the end is. */
      in_kernel = false;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    *at += n;
  }
  return 0;
}

static bool became_shorter(int file, off_t than) {
  struct stat now;
  return fstat(file, &now) || now.st_size < than;
}

int content_copy(int from, int to, off_t size, off_t limit, const atomic_bool *cancelled) {
  enum { ENDLESS_BITS = 62 };
  const off_t endless = (off_t)1 << ENDLESS_BITS;
  off_t at = 0;
  if (limit > 0 && size > limit) return EFBIG;
  if (size > 0 && ioctl(to, FICLONE, from) == 0) return 0;
  /* A file of /proc says that it is empty: only reading tells where it ends. */
  bool holes = size > 0;
  while (holes && at < size) {
    off_t data = lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {
      /* Nothing but a hole up to the end, wherever that is now. */
      if (became_shorter(from, size)) return EIO;
      return ftruncate(to, size) ? errno : 0;
    }
    off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
    holes = hole > data;
    if (!holes) break;
    at = data;
    int problem = range_copy(from, to, &at, hole, cancelled);
    if (problem) return problem;
    if (at < hole) break;
  }
  /* Files of /proc that hold records refuse to read a byte alone. */
  int problem = range_copy(from, to, &at, limit > 0 ? limit + BYTES : endless, cancelled);
  if (problem) return problem;
  if (limit > 0 && at > limit) return EFBIG;
  /* A file of /sys may end before the size it claims; one that was cut while it was read is not whole. */
  return at < size && became_shorter(from, size) ? EIO : 0;
}

/* What a file system cannot keep, or the user may not set, is left out as mv(1) does; a lack of room is an error. */
static int xattr_problem(void) { return errno == ENOSPC || errno == EDQUOT || errno == ENOMEM || errno == EIO ? errno : 0; }

static int copy_xattr(int from, int to, const char *name) {
  char *value = malloc(XATTR_LIMIT);
  if (!value) return ENOMEM;
  ssize_t length = fgetxattr(from, name, value, XATTR_LIMIT);
  int problem = length < 0 || fsetxattr(to, name, value, (size_t)length, 0) == 0 ? 0 : xattr_problem();
  free(value);
  return problem;
}

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* An access list is part of the mode. The agent itself has every right: only the file system user tells what is granted. */
static bool is_kept(const char *name) {
  return starts_with(name, "system.posix_acl_") || starts_with(name, "user.") || (strcmp(name, "security.capability") == 0 && setfsuid((uid_t)-1) == 0);
}

static int copy_xattrs(int from, int to) {
  char *names = malloc(XATTR_LIMIT);
  if (!names) return ENOMEM;
  ssize_t length = flistxattr(from, names, XATTR_LIMIT);
  int problem = 0;
  bool listed = false;
  for (const char *name = names; !problem && length > 0 && name < names + length; name += strlen(name) + 1) {
    listed = listed || strcmp(name, "system.posix_acl_access") == 0;
    if (is_kept(name)) problem = copy_xattr(from, to, name);
  }
  free(names);
  /* A directory may have handed its default list on to a file that had no list. */
  if (!listed) (void)fremovexattr(to, "system.posix_acl_access");
  return problem;
}

static mode_t mode_for(const struct stat *st, const struct stat *now) {
  mode_t mode = st->st_mode & 07777;
  return now->st_uid != st->st_uid || now->st_gid != st->st_gid ? mode & ~(mode_t)SPECIAL_BITS : mode;
}

static bool not_permitted(void) { return errno == EPERM || errno == EINVAL; }

/* The maker of a file may change its mode and times: a refusal is the file system's, which keeps none (FAT, for instance). */
static int mode_problem(void) { return errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno; }

/* Who may not give the file away may perhaps give it a group. */
int attributes_copy(int from, int to, const struct stat *st) {
  struct stat now;
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  if (fchown(to, st->st_uid, st->st_gid) && (!not_permitted() || (fchown(to, (uid_t)-1, st->st_gid) && !not_permitted()))) return errno;
  int problem = copy_xattrs(from, to);
  if (problem) return problem;
  if (fstat(to, &now)) return errno;
  if (fchmod(to, mode_for(st, &now))) problem = mode_problem();
  if (problem) return problem;
  return futimens(to, times) ? mode_problem() : 0;
}

int attributes_set(int parent, const char *name, const struct stat *st) {
  enum { NO_FOLLOW = AT_SYMLINK_NOFOLLOW };
  struct stat now;
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  if (fchownat(parent, name, st->st_uid, st->st_gid, NO_FOLLOW) &&
      (!not_permitted() || (fchownat(parent, name, (uid_t)-1, st->st_gid, NO_FOLLOW) && !not_permitted())))
    return errno;
  if (fstatat(parent, name, &now, NO_FOLLOW)) return errno;
  int problem = !S_ISLNK(st->st_mode) && fchmodat(parent, name, mode_for(st, &now), NO_FOLLOW) ? mode_problem() : 0;
  if (problem) return problem;
  return utimensat(parent, name, times, NO_FOLLOW) ? mode_problem() : 0;
}
