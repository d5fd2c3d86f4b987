#define _GNU_SOURCE
#include "replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "status.h"
#include "temporary.h"

enum { FLAG_PARENTS = 1, FLAG_EXCLUSIVE = 2, FLAGS = 3 };

bool replacement_read(struct replacement *r, struct reader *reader) {
  r->mode = read_u32(reader) & 07777;
  uint32_t flags = read_u32(reader);
  r->parents = flags & FLAG_PARENTS;
  r->exclusive = flags & FLAG_EXCLUSIVE;
  return read_finished(reader) && flags <= FLAGS;
}

/* Whether the target may be made or replaced. `exists`: which of the two; `st` then describes what is there. */
static int judge(const struct replacement *r, bool *exists, struct stat *st, struct buffer *detail) {
  *exists = stat(r->path, st) == 0;
  /* ENOTDIR: a file is in the place of a directory, which a slash at the end asks for, too. */
  if (!*exists) return errno == ENAMETOOLONG || errno == ENOTDIR || errno == ELOOP ? errno : STATUS_OK;
  if (r->exclusive) return EEXIST;
  if (S_ISDIR(st->st_mode)) return EISDIR;
  if (!S_ISREG(st->st_mode)) return fail_with(detail, EINVAL, "not a regular file");
  /* A file that may not be written may not be replaced either. AT_EACCESS: by the rights taken on for this call. */
  return faccessat(AT_FDCWD, r->path, W_OK, AT_EACCESS) ? errno : STATUS_OK;
}

int replacement_judge(struct replacement *r, struct buffer *detail) {
  struct stat st;
  bool exists;
  char final[PATH_MAX];
  /* Writing through a link replaces what the link points to, not the link. */
  if (realpath(r->path, final)) {
    if (strlen(final) > PATH_LIMIT) return ENAMETOOLONG;
    memcpy(r->path, final, strlen(final) + 1);
  }
  int status = judge(r, &exists, &st, detail);
  const char *name = strrchr(r->path, '/') + 1;
  bool directory = *name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
  return status == STATUS_OK && directory ? EISDIR : status;
}

/* File systems without anonymous files give one of these. */
static bool has_no_anonymous_files(int problem) { return problem == EOPNOTSUPP || problem == EISDIR || problem == EINVAL || problem == ENOSYS; }

/* Cuts the last part of a path off. */
static void cut_name(char *path) {
  char *slash = strrchr(path, '/');
  slash[slash == path] = 0;
}

int replacement_open(struct replacement *r) {
  char directory[PATH_LIMIT + 1];
  struct stat st;
  /* With its last mode where that is known: watches report each change of one, by a hidden name. */
  mode_t mode = stat(r->path, &st) == 0 ? st.st_mode & 07777 : r->mode;
  memcpy(directory, r->path, sizeof directory);
  int problem;
  /* In the nearest directory that exists: those in between are made at the end, or never. */
  do {
    cut_name(directory);
    r->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (r->fd >= 0) return STATUS_OK;
    problem = errno;
    /* What exists and is not found all the same is a link whose target is missing. */
  } while (problem == ENOENT && r->parents && directory[1] != 0 && lstat(directory, &st) != 0);
  return has_no_anonymous_files(problem) ? replacement_open_named(r, directory) : problem;
}

int replacement_open_named(struct replacement *r, const char *directory) {
  char name[PATH_LIMIT + 1];
  int n = snprintf(name, sizeof name, "%s/name", directory[1] == 0 ? "" : directory);
  if (n < 0 || n > PATH_LIMIT) return ENAMETOOLONG;
  int problem = temporary_beside(name, TEMPORARY_UPLOAD, r->temporary);
  if (problem) return problem;
  r->fd = open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
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

static int change_mode(int fd, mode_t mode) {
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  return chmod(self, mode) ? errno : STATUS_OK;
}

/*
 * Mode and owner of the file that is replaced. Watches report the change under the name of the descriptor it is made through:
 * that is the temporary one, which they leave out.
 */
static int take_after(const struct replacement *r, const struct stat *replaced) {
  struct stat own;
  struct stat named;
  mode_t mode = replaced->st_mode & 07777;
  if (fstat(r->fd, &own)) return errno;
  bool same_owner = own.st_uid == replaced->st_uid && own.st_gid == replaced->st_gid;
  if (same_owner && (own.st_mode & 07777) == mode) return STATUS_OK;
  int fd = open(r->temporary, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &named)) return errno;
  int problem = named.st_ino != own.st_ino || named.st_dev != own.st_dev ? EIO : STATUS_OK;
  /* Keeping a foreign owner takes the right to give files away; a user without it owns the new file, which runs with no other's rights. */
  if (!problem && !same_owner && fchownat(fd, "", replaced->st_uid, replaced->st_gid, AT_EMPTY_PATH)) {
    if (errno != EPERM) problem = errno;
    mode &= ~(mode_t)(S_ISUID | S_ISGID);
  }
  /* Last: a change of owner takes set-id bits away. */
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
  if (problem == STATUS_OK) problem = link_new(r);
  if (problem != ENOENT || !r->parents) return problem;
  problem = parents_make(r->path, &parents);
  if (problem) return problem;
  problem = link_new(r);
  if (problem) parents_remove(r->path, &parents);
  return problem;
}

int replacement_commit(struct replacement *r, bool durable, struct buffer *answer) {
  struct stat st;
  bool exists;
  if (durable && fsync(r->fd)) return errno;
  int status = user_assume(&r->user) ? judge(r, &exists, &st, answer) : EPERM;
  if (status == STATUS_OK) status = exists ? rename_over(r, &st) : place_new(r);
  /* Of the file itself: under its name another one may be by now. */
  if (status == STATUS_OK) status = fstat(r->fd, &st) ? errno : entry_describe(answer, r->path, &st);
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
