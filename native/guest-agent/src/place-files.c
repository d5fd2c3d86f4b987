#define _GNU_SOURCE
#include "place-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tar-reader.h"
#include "users.h"

struct place {
  char root[TAR_PATH];
  /* The one file gets the name of the target. */
  bool renames;
  uid_t uid;
  gid_t gid;
  const char *from;
};

static bool problem(const char *path, const char *text) {
  fprintf(stderr, "%s: %s\n", path, text);
  return false;
}

static bool failed(const char *path) { return problem(path, strerror(errno)); }

static bool is_directory(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes a directory and those above it. The last one, and what is missing below `owned`, belongs to the owner; others to root. */
static bool make_directories(const struct place *place, char *path, size_t owned) {
  for (size_t at = 1;; at++) {
    char end = path[at];
    if (end != '/' && end != 0) continue;
    path[at] = 0;
    bool made = !is_directory(path);
    bool ok = !made || (mkdir(path, 0755) == 0 && (at < owned || chown(path, place->uid, place->gid) == 0));
    if (!ok) return failed(path);
    path[at] = end;
    if (end == 0) return true;
  }
}

static bool make_parent(const struct place *place, char *path) {
  char *slash = strrchr(path, '/');
  if (slash == path) return true;
  *slash = 0;
  bool ok = is_directory(path) || make_directories(place, path, strlen(place->root) + 1);
  *slash = '/';
  return ok;
}

/* What is below the directory of the archive; NULL for members elsewhere, "" for the directory itself. */
static const char *below(const struct place *place, const char *path) {
  size_t length = strlen(place->from);
  while (path[0] == '.' && path[1] == '/') path += 2;
  if (strncmp(path, place->from, length) != 0) return NULL;
  if (path[length] == 0) return "";
  if (path[length] != '/') return NULL;
  for (path += length; *path == '/';) path++;
  return path;
}

static bool leaves(const char *path) {
  for (const char *at = path; *at; at += strcspn(at, "/"), at += *at == '/')
    if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == 0)) return true;
  return false;
}

/* Where a member goes, without a slash at its end. */
static bool destination(const struct place *place, const char *member, char path[TAR_PATH]) {
  int length = place->renames ? snprintf(path, TAR_PATH, "%s", place->root) : snprintf(path, TAR_PATH, "%s/%s", strcmp(place->root, "/") == 0 ? "" : place->root, member);
  if (length < 0 || length >= TAR_PATH || leaves(member)) return problem(member, "it leads out of the target, or is too long");
  while (length > 1 && path[length - 1] == '/') path[--length] = 0;
  return true;
}

/* Clears the way for what is no directory. */
static bool replace(const char *path) {
  struct stat st;
  if (lstat(path, &st)) return errno == ENOENT || failed(path);
  if (S_ISDIR(st.st_mode)) return problem(path, "there is a directory in the place of a file");
  return unlink(path) == 0 || failed(path);
}

static bool place_directory(const struct place *place, const char *path, const struct tar_member *member) {
  if (is_directory(path)) return true;
  if (mkdir(path, 0700) || chown(path, place->uid, place->gid) || chmod(path, member->mode)) return failed(path);
  return true;
}

static bool copy_content(struct tar_reader *reader, int fd) {
  char bytes[64 * 1024];
  ssize_t size;
  while ((size = tar_reader_content(reader, bytes, sizeof bytes)) > 0)
    for (ssize_t done = 0; done < size;) {
      ssize_t n = write(fd, bytes + done, (size_t)(size - done));
      if (n < 0 && errno != EINTR) return false;
      if (n > 0) done += n;
    }
  if (size < 0) errno = EBADMSG;
  return size == 0;
}

static bool place_file(const struct place *place, const char *path, const struct tar_member *member, struct tar_reader *reader) {
  const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = member->modified}};
  if (!replace(path)) return false;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return failed(path);
  /* The owner first: a change of it takes bits from the mode. */
  bool ok = copy_content(reader, fd) && fchown(fd, place->uid, place->gid) == 0 && fchmod(fd, member->mode) == 0 && futimens(fd, times) == 0;
  if (!ok) (void)failed(path);
  if (close(fd) && ok) return failed(path);
  return ok;
}

static bool place_link(const struct place *place, const char *path, const struct tar_member *member) {
  if (!replace(path)) return false;
  if (symlink(member->target, path) || lchown(path, place->uid, place->gid)) return failed(path);
  return true;
}

static bool place_hard_link(const struct place *place, const char *path, const struct tar_member *member) {
  char other[TAR_PATH];
  struct stat one;
  struct stat two;
  const char *target = below(place, member->target);
  if (!target || !*target) return problem(path, "it is a link to what is not copied");
  if (!destination(place, target, other)) return false;
  if (lstat(path, &one) == 0 && lstat(other, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino) return true;
  if (!replace(path)) return false;
  return link(other, path) == 0 || failed(path);
}

static bool place_member(const struct place *place, const struct tar_member *member, struct tar_reader *reader) {
  char path[TAR_PATH];
  const char *name = below(place, member->path);
  if (!name || !*name) return true;
  if (!destination(place, name, path) || !make_parent(place, path)) return false;
  if (member->type == '5') return place_directory(place, path, member);
  if (member->type == '0') return place_file(place, path, member, reader);
  if (member->type == '2') return place_link(place, path, member);
  if (member->type == '1') return place_hard_link(place, path, member);
  return problem(member->path, "it is neither a file nor a directory nor a link");
}

static bool prepare(struct place *place, char **words) {
  struct user user;
  size_t length = strlen(words[0]);
  while (length > 1 && words[0][length - 1] == '/') length--;
  if (words[0][0] != '/' || length >= TAR_PATH) return problem(words[0], "is no place for files");
  memcpy(place->root, words[0], length);
  place->root[length] = 0;
  place->renames = strcmp(words[1], "file") == 0 && !is_directory(place->root);
  place->from = words[3];
  if (!user_find(words[2], &user)) return problem(words[2], "there is no such user or group");
  place->uid = user.uid;
  place->gid = user.gid;
  return place->renames ? make_parent(place, place->root) : is_directory(place->root) || make_directories(place, place->root, length);
}

int place_files(int count, char **words) {
  static struct place place;
  static struct tar_member member;
  struct tar_reader reader = {.fd = 0};
  enum tar_read read = TAR_READ_MEMBER;
  if (count != 4) return problem("--place", "needs a target, a kind, an owner and a directory"), 2;
  umask(022);
  if (!prepare(&place, words)) return 1;
  while ((read = tar_reader_next(&reader, &member)) == TAR_READ_MEMBER)
    if (!place_member(&place, &member, &reader)) return 1;
  if (read == TAR_READ_BROKEN) return problem("the archive", "is damaged, or not a tar archive"), 1;
  return 0;
}
