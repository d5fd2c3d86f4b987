#define _GNU_SOURCE
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_DIRECTORIES = 16, DEPTH_LIMIT = 256 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  (void)ftw;
  return (kind == FTW_DP || kind == FTW_D || kind == FTW_DNR ? rmdir(path) : unlink(path)) ? errno : 0;
}

static int walked(int result) { return result < 0 ? errno : result; }

int tree_remove(const char *path) { return walked(nftw(path, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS)); }

/* nftw hands no context on; every worker has its own. */
static _Thread_local mode_t wanted_mode;

static int chmod_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  (void)ftw;
  if (kind == FTW_SL || kind == FTW_SLN) return 0;
  return chmod(path, wanted_mode) ? errno : 0;
}

int tree_chmod(const char *path, mode_t mode) {
  wanted_mode = mode;
  return walked(nftw(path, chmod_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS));
}

static int copy_bytes(int from, int to) {
  char bytes[65536];
  for (;;) {
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n == 0) return 0;
    if (n < 0) return errno;
    for (ssize_t done = 0; done < n;) {
      ssize_t written = write(to, bytes + done, (size_t)(n - done));
      if (written < 0) return errno;
      done += written;
    }
  }
}

static bool same_file(int a, int b) {
  struct stat first, second;
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int copy_file(const char *source, const char *destination, const struct stat *st) {
  int from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (from < 0) return errno;
  /* Truncated only when it is known to be another file: else nothing would be left to copy. */
  int to = open(destination, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, st->st_mode & 07777);
  int problem = to < 0 ? errno : same_file(from, to) ? EINVAL : ftruncate(to, 0) ? errno : copy_bytes(from, to);
  if (to >= 0) {
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    (void)fchmod(to, st->st_mode & 07777);
    (void)futimens(to, times);
    if (close(to) && !problem) problem = errno;
  }
  close(from);
  return problem;
}

static int copy_link(const char *source, const char *destination) {
  char target[PATH_MAX];
  ssize_t n = readlink(source, target, sizeof target - 1);
  if (n < 0) return errno;
  target[n] = 0;
  if (unlink(destination) && errno != ENOENT) return errno;
  return symlink(target, destination) ? errno : 0;
}

static int copy_node(const char *source, const char *destination, bool recursive, int depth);

static int copy_directory(const char *source, const char *destination, const struct stat *st, int depth) {
  char from[PATH_MAX];
  char to[PATH_MAX];
  int problem = 0;
  if (depth > DEPTH_LIMIT) return ELOOP;
  if (mkdir(destination, 0700) && errno != EEXIST) return errno;
  DIR *directory = opendir(source);
  if (!directory) return errno;
  for (struct dirent *entry; !problem && (entry = readdir(directory));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    int a = snprintf(from, sizeof from, "%s/%s", source, entry->d_name);
    int b = snprintf(to, sizeof to, "%s/%s", destination, entry->d_name);
    problem = a < 0 || b < 0 || (size_t)a >= sizeof from || (size_t)b >= sizeof to ? ENAMETOOLONG : copy_node(from, to, true, depth + 1);
  }
  closedir(directory);
  if (!problem && chmod(destination, st->st_mode & 07777)) problem = errno;
  return problem;
}

static int copy_node(const char *source, const char *destination, bool recursive, int depth) {
  struct stat st;
  if (lstat(source, &st)) return errno;
  if (S_ISREG(st.st_mode)) return copy_file(source, destination, &st);
  if (S_ISLNK(st.st_mode)) return copy_link(source, destination);
  if (S_ISDIR(st.st_mode)) return recursive ? copy_directory(source, destination, &st, depth) : EISDIR;
  return EINVAL;
}

/* A directory copied into itself would never end. */
static bool inside(const char *source, const char *destination) {
  char whole[PATH_MAX];
  char parent[PATH_MAX];
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", destination);
  char *slash = strrchr(copy, '/');
  if (slash && slash != copy) *slash = 0;
  if (!realpath(source, whole) || !realpath(copy, parent)) return false;
  size_t length = strlen(whole);
  return strncmp(parent, whole, length) == 0 && (parent[length] == '/' || parent[length] == 0);
}

int tree_copy(const char *source, const char *destination, bool recursive) {
  struct stat st;
  if (lstat(source, &st)) return errno;
  if (S_ISDIR(st.st_mode) && inside(source, destination)) return EINVAL;
  return copy_node(source, destination, recursive, 0);
}

int tree_move(const char *source, const char *destination) {
  if (rename(source, destination) == 0) return 0;
  if (errno != EXDEV) return errno;
  char copy[PATH_MAX];
  uint32_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  int n = snprintf(copy, sizeof copy, "%s.wrenn-move-%08x", destination, random);
  if (n < 0 || (size_t)n >= sizeof copy) return ENAMETOOLONG;
  /* What is at the destination stays until the copy is whole, and rename decides whether it may be replaced. */
  int problem = tree_copy(source, copy, true);
  if (!problem && rename(copy, destination)) problem = errno;
  if (problem) {
    (void)tree_remove(copy);
    return problem;
  }
  struct stat st;
  if (lstat(source, &st)) return errno;
  return S_ISDIR(st.st_mode) ? tree_remove(source) : unlink(source) ? errno : 0;
}
