#define _GNU_SOURCE
#include "replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "entry.h"
#include "in-place.h"
#include "path-claim.h"
#include "status.h"
#include "target.h"
#include "temporary.h"

enum { FLAG_PARENTS = 1, FLAG_EXCLUSIVE = 2, FLAG_MODE = 4, FLAG_CONDITION = 8, FLAGS = 15 };

/* A file that is written in place while other requests wait. */
enum { SMALL_FILE = 1 << 20 };

bool replacement_read(struct replacement *r, struct reader *reader) {
  r->mode = read_u32(reader) & 07777;
  uint32_t flags = read_u32(reader);
  r->parents = flags & FLAG_PARENTS;
  r->exclusive = flags & FLAG_EXCLUSIVE;
  r->asked_mode = flags & FLAG_MODE;
  memset(&r->condition, 0, sizeof r->condition);
  if (flags & FLAG_CONDITION && !condition_read(&r->condition, reader)) return false;
  return read_finished(reader) && flags <= FLAGS;
}

/* Whether a change of content or mode is refused by the file itself, whatever rights the user has. */
static int judge_attributes(const char *path) {
  struct statx sx;
  if (statx(AT_FDCWD, path, 0, STATX_TYPE, &sx)) return errno;
  return sx.stx_attributes & (STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE) ? EPERM : STATUS_OK;
}

static bool may_chmod(const struct replacement *r, const struct stat *st) { return r->user.uid == 0 || r->user.uid == st->st_uid; }

static bool is_member(const struct replacement *r, gid_t gid) {
  bool member = r->user.gid == gid;
  for (size_t i = 0; i < r->user.group_count && !member; i++) member = r->user.groups[i] == gid;
  return member;
}

/* Whether the mode that is asked for can be given; the kernel leaves the set-group-id bit out where the group is not the user's. */
static bool may_set_mode(const struct replacement *r, const struct stat *st) {
  if (!r->asked_mode || (st->st_mode & 07777) == r->mode || r->user.uid == 0) return true;
  return may_chmod(r, st) && (!(r->mode & S_ISGID) || is_member(r, st->st_gid));
}

/* Whether the target may be made or replaced. `exists`: which of the two; `st` then describes what is there. */
static int judge(const struct replacement *r, bool *exists, struct stat *st, struct buffer *detail) {
  *exists = stat(r->path, st) == 0;
  /* ENOTDIR: a file is in the place of a directory, which a slash at the end asks for, too. */
  if (!*exists) {
    if (errno == ENAMETOOLONG || errno == ENOTDIR || errno == ELOOP) return errno;
    return condition_holds(&r->condition, NULL) ? STATUS_OK : STATUS_CONDITION_FAILED;
  }
  if (r->exclusive) return EEXIST;
  if (S_ISDIR(st->st_mode)) return EISDIR;
  if (!S_ISREG(st->st_mode)) return fail_with(detail, EINVAL, "not a regular file");
  /* A file that may not be written may not be replaced either. AT_EACCESS: by the rights taken on for this call. */
  if (faccessat(AT_FDCWD, r->path, W_OK, AT_EACCESS)) return errno;
  if (!may_set_mode(r, st)) return EPERM;
  int status = judge_attributes(r->path);
  if (status != STATUS_OK) return status;
  return condition_holds(&r->condition, st) ? STATUS_OK : STATUS_CONDITION_FAILED;
}

int replacement_judge(struct replacement *r, struct buffer *detail) {
  struct stat st;
  bool exists;
  int status = target_resolve(r->path);
  if (status == STATUS_OK) status = judge(r, &exists, &st, detail);
  const char *name = strrchr(r->path, '/') + 1;
  bool directory = *name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
  return status == STATUS_OK && directory ? EISDIR : status;
}

/* File systems without anonymous files give one of these. */
static bool has_no_anonymous_files(int problem) { return problem == EOPNOTSUPP || problem == EISDIR || problem == EINVAL || problem == ENOSYS; }

/* What a directory refuses to its names, and the files in it do not. */
static bool is_refusal(int problem) { return problem == EACCES || problem == EPERM || problem == EROFS || problem == EBUSY || problem == EXDEV; }

/* Cuts the last part of a path off. */
static void cut_name(char *path) {
  char *slash = strrchr(path, '/');
  slash[slash == path] = 0;
}

/* Where the content waits whose target can be filled and not be replaced. */
static bool open_elsewhere(struct replacement *r) {
  static const char *const directories[] = {"/var/tmp", "/tmp"};
  for (size_t i = 0; i < sizeof directories / sizeof *directories && r->fd < 0; i++) r->fd = open(directories[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  r->elsewhere = r->fd >= 0;
  return r->elsewhere;
}

static int open_beside(struct replacement *r, mode_t mode) {
  char directory[PATH_LIMIT + 1];
  struct stat st;
  memcpy(directory, r->path, sizeof directory);
  int problem;
  /* In the nearest directory that exists: those in between are made at the end, or never. */
  do {
    cut_name(directory);
    r->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (r->fd >= 0) return STATUS_OK;
    problem = errno;
    /* What exists and is not found all the same is a link whose target is missing. */
  } while (problem == ENOENT && r->parents && directory[1] != 0 && lstat(directory, &st) != 0);
  return has_no_anonymous_files(problem) ? replacement_open_named(r, directory) : problem;
}

int replacement_open(struct replacement *r) {
  struct stat st;
  bool exists = stat(r->path, &st) == 0;
  r->elsewhere = false;
  /* With its last mode where that is known: watches report each change of one, by a hidden name. */
  int problem = open_beside(r, exists && !r->asked_mode ? st.st_mode & 07777 : r->mode);
  return exists && is_refusal(problem) && open_elsewhere(r) ? STATUS_OK : problem;
}

int replacement_open_named(struct replacement *r, const char *directory) {
  char name[PATH_LIMIT + 1];
  int n = snprintf(name, sizeof name, "%s/name", directory[1] == 0 ? "" : directory);
  if (n < 0 || n > PATH_LIMIT) return ENAMETOOLONG;
  int problem = temporary_beside(name, TEMPORARY_UPLOAD, r->temporary);
  if (problem) return problem;
  r->fd = open(r->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (r->fd >= 0) return STATUS_OK;
  problem = errno;
  r->temporary[0] = 0;
  return problem;
}

static int link_to(const struct replacement *r, const char *name) {
  char self[32];
  if (r->temporary[0]) return link(r->temporary, name) ? errno : STATUS_OK;
  snprintf(self, sizeof self, "/proc/self/fd/%d", r->fd);
  return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) ? errno : STATUS_OK;
}

/* The bits that are asked for, or an error: a file system or the kernel may leave out some. */
static int change_mode(int fd, mode_t mode) {
  char self[32];
  struct stat st;
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  if (chmod(self, mode) || fstat(fd, &st)) return errno;
  return (st.st_mode & 07777) == mode ? STATUS_OK : EPERM;
}

static mode_t mode_over(const struct replacement *r, const struct stat *replaced) { return r->asked_mode ? r->mode : replaced->st_mode & 07777; }

/*
 * Owner, attributes and mode of the file that is replaced. Watches report the change under the name of the descriptor it is made
 * through: that is the temporary one, which they leave out. EPERM: the new file cannot stand in for the old one.
 */
static int take_after(const struct replacement *r, const struct stat *replaced) {
  struct stat own;
  struct stat named;
  mode_t mode = mode_over(r, replaced);
  if (fstat(r->fd, &own)) return errno;
  bool same_owner = own.st_uid == replaced->st_uid && own.st_gid == replaced->st_gid;
  if (same_owner && (own.st_mode & 07777) == mode && !attributes_on(r->path) && !attributes_on(r->temporary)) return STATUS_OK;
  int fd = open(r->temporary, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &named)) return errno;
  int problem = named.st_ino != own.st_ino || named.st_dev != own.st_dev ? EIO : STATUS_OK;
  if (!problem && !same_owner && fchownat(fd, "", replaced->st_uid, replaced->st_gid, AT_EMPTY_PATH)) problem = errno;
  if (!problem) problem = attributes_take(r->path, fd);
  /* Last: a change of owner takes set-id bits away, and an access list has its own idea of the group's. */
  if (!problem) problem = change_mode(fd, mode);
  close(fd);
  return problem;
}

/* A link to a file cannot replace another: a second name, which is renamed, can. */
static int rename_over(struct replacement *r, const struct stat *replaced) {
  if (!r->temporary[0]) {
    char name[PATH_LIMIT + 1];
    int problem = temporary_beside(r->path, TEMPORARY_UPLOAD, name);
    if (problem == 0) problem = link_to(r, name);
    if (problem) return problem;
    memcpy(r->temporary, name, sizeof name);
  }
  int problem = replaced ? take_after(r, replaced) : STATUS_OK;
  if (problem) return problem;
  if (renameat2(AT_FDCWD, r->temporary, AT_FDCWD, r->path, r->exclusive ? RENAME_NOREPLACE : 0)) return errno;
  r->temporary[0] = 0;
  return STATUS_OK;
}

static int link_new(struct replacement *r) {
  int problem = link_to(r, r->path);
  if (problem == STATUS_OK) {
    if (r->temporary[0]) (void)unlink(r->temporary);
    r->temporary[0] = 0;
    return STATUS_OK;
  }
  /* Of a file that has a name already the file system may know no second one. */
  bool unlinkable = r->temporary[0] && (problem == EPERM || problem == EOPNOTSUPP || problem == ENOSYS || problem == EMLINK);
  /* A link whose target is missing is in the place, or another file came to be there meanwhile. */
  bool taken = problem == EEXIST && !r->exclusive;
  return unlinkable || taken ? rename_over(r, NULL) : problem;
}

static int place_new(struct replacement *r) {
  struct stat own;
  struct parents parents;
  if (fstat(r->fd, &own)) return errno;
  int problem = (own.st_mode & 07777) == r->mode ? STATUS_OK : change_mode(r->fd, r->mode);
  /* A file system that knows no modes gives its own. */
  if (problem == EPERM && !r->asked_mode) problem = STATUS_OK;
  if (problem == STATUS_OK) problem = link_new(r);
  if (problem != ENOENT || !r->parents) return problem;
  problem = parents_make(r->path, &parents);
  if (problem) return problem;
  problem = link_new(r);
  if (problem) parents_remove(r->path, &parents);
  return problem;
}

/* Whether the user may make a file that has owner and group of the one that is there. */
static bool may_own(const struct replacement *r, const struct stat *replaced) {
  return r->user.uid == 0 || (r->user.uid == replaced->st_uid && is_member(r, replaced->st_gid));
}

/* Whether a new file could take the place without anything else changing: neither other names, nor mounts, nor owners. */
static bool can_stand_in(const struct replacement *r, const struct stat *replaced) {
  char directory[PATH_LIMIT + 1];
  struct statx sx;
  struct statx above;
  memcpy(directory, r->path, sizeof directory);
  cut_name(directory);
  if (r->elsewhere || replaced->st_nlink > 1 || !may_own(r, replaced)) return false;
  if (statx(AT_FDCWD, r->path, 0, STATX_TYPE, &sx) || statx(AT_FDCWD, directory, 0, STATX_TYPE, &above)) return true;
  /* A name in a directory that only grows could never be taken away again. */
  return !(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) && !(above.stx_attributes & STATX_ATTR_APPEND);
}

static int replace(struct replacement *r, struct commit how, struct stat *st) {
  struct stat content;
  int problem = can_stand_in(r, st) ? rename_over(r, st) : EPERM;
  if (!is_refusal(problem) && problem != EOPNOTSUPP) return problem ? problem : fstat(r->fd, st) ? errno : STATUS_OK;
  if (fstat(r->fd, &content)) return errno;
  if (how.bounded && content.st_size > SMALL_FILE) return STATUS_UNBOUNDED;
  return write_in_place(&(struct in_place){r->path, r->fd, how.durable, may_chmod(r, st), mode_over(r, st)}, st);
}

/* A name that is missing where a directory may not be written cannot be made. */
static int place(struct replacement *r, struct stat *st) {
  int problem = r->elsewhere ? EACCES : place_new(r);
  /* Of the file itself: under its name another one may be by now. */
  return problem ? problem : fstat(r->fd, st) ? errno : STATUS_OK;
}

int replacement_commit(struct replacement *r, struct commit how, struct buffer *answer) {
  struct stat st;
  bool exists;
  if (how.durable && fsync(r->fd)) return errno;
  struct path_claim claim;
  path_claim(&claim, r->path);
  int status = user_assume(&r->user) ? judge(r, &exists, &st, answer) : EPERM;
  if (status == STATUS_OK) status = exists ? replace(r, how, &st) : place(r, &st);
  path_unclaim(&claim);
  if (status == STATUS_OK) status = entry_describe(answer, r->path, &st);
  user_restore();
  return status;
}

void replacement_close(struct replacement *r) {
  /* The user's rights end with the call that needed them, whichever way it ends. */
  if (r->temporary[0] && user_assume(&r->user)) (void)unlink(r->temporary);
  user_restore();
  r->temporary[0] = 0;
  if (r->fd >= 0) close(r->fd);
  r->fd = -1;
}
