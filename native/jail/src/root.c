#define _GNU_SOURCE
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Exists everywhere; in this mount namespace it becomes the new root. */
#define NEW_ROOT "/mnt"

enum { SYSTEM_PATHS = 5, GRANTS = LIST_LIMIT * 4 + SYSTEM_PATHS };

/* A path opened before the new root hides anything, and how it appears inside. */
struct grant {
  const char *path;
  int fd;
  unsigned long flags;
};

static bool failed(const char *what) {
  dprintf(2, "wrenn-jail: %s: %s\n", what, strerror(errno));
  return false;
}

static bool open_grants(const struct list *list, unsigned long flags, struct grant *grants, size_t *count) {
  for (size_t i = 0; i < list->count; i++) {
    struct stat st;
    /* A link may have been changed since the caller looked at what it leads to. */
    int fd = open(list->items[i], O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st)) return failed(list->items[i]);
    if (S_ISLNK(st.st_mode)) {
      errno = ELOOP;
      return failed(list->items[i]);
    }
    grants[(*count)++] = (struct grant){list->items[i], fd, flags};
  }
  return true;
}

static bool make_parents(const char *path) {
  char copy[PATH_MAX];
  if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy) {
    errno = ENAMETOOLONG;
    return failed(path);
  }
  for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
    *at = 0;
    if (mkdir(copy, 0755) && errno != EEXIST) return failed(copy);
    *at = '/';
  }
  return true;
}

static bool bind_grant(const struct grant *grant) {
  char target[PATH_MAX];
  char source[64];
  struct stat st;
  snprintf(target, sizeof target, NEW_ROOT "%s", grant->path);
  snprintf(source, sizeof source, "/proc/self/fd/%d", grant->fd);
  if (fstat(grant->fd, &st) || !make_parents(target)) return failed(grant->path);
  if (S_ISDIR(st.st_mode) ? mkdir(target, 0755) : mknod(target, S_IFREG | 0600, 0)) {
    if (errno != EEXIST) return failed(target);
  }
  if (mount(source, target, NULL, MS_BIND, NULL)) return failed(grant->path);
  /* A bind takes its restrictions only in a second step. */
  if (mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | grant->flags, NULL)) return failed(grant->path);
  return true;
}

/*
 * The program's libraries and data: the host's, or those of a directory that has nothing else. /lib and its like are links into
 * /usr on merged systems, and directories elsewhere.
 */
static bool add_system(const char *directory, struct grant *grants, size_t *count) {
  static const char *const paths[SYSTEM_PATHS] = {"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"};
  for (size_t i = 0; i < SYSTEM_PATHS; i++) {
    char source[PATH_MAX];
    char target[64];
    char link[PATH_MAX];
    if (snprintf(source, sizeof source, "%s%s", directory ? directory : "", paths[i]) >= (int)sizeof source) {
      errno = ENAMETOOLONG;
      return failed(directory);
    }
    ssize_t n = readlink(source, link, sizeof link - 1);
    if (n > 0) {
      link[n] = 0;
      snprintf(target, sizeof target, NEW_ROOT "%s", paths[i]);
      if (symlink(link, target)) return failed(target);
      continue;
    }
    struct list one = {.items = {source}, .count = 1};
    if (access(source, F_OK)) continue;
    if (!open_grants(&one, MS_RDONLY | MS_NOSUID | MS_NODEV, grants, count)) return false;
    grants[*count - 1].path = paths[i];
  }
  /* Without it nothing could run, and the message would be that of exec. */
  if (*count == 0) return failed(directory);
  return true;
}

/*
 * Device nodes of the machine's own in a /dev of its own: the host's nodes often belong to root alone, and their mode is
 * not ours to change.
 */
static bool make_devices(const struct options *options) {
  if (mkdir(NEW_ROOT "/dev", 0755) || mount("tmpfs", NEW_ROOT "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k")) return failed("/dev");
  for (size_t i = 0; i < options->devices.count; i++) {
    const char *path = options->devices.items[i];
    char target[PATH_MAX];
    struct stat st;
    snprintf(target, sizeof target, NEW_ROOT "%s", path);
    if (stat(path, &st) || !S_ISCHR(st.st_mode)) return failed(path);
    if (!make_parents(target)) return false;
    if (mknod(target, S_IFCHR | 0600, st.st_rdev) || chown(target, options->uid, options->gid)) return failed(target);
  }
  if (mount(NULL, NEW_ROOT "/dev", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL)) return failed("read-only /dev");
  return true;
}

bool root_build(const struct options *options) {
  static struct grant grants[GRANTS];
  size_t count = 0;
  if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL)) return failed("private mounts");
  /* Later grants may lie inside earlier ones, so the broad ones come first. */
  if (!open_grants(&options->readable, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, grants, &count) ||
      !open_grants(&options->libraries, MS_RDONLY | MS_NOSUID | MS_NODEV, grants, &count) || !open_grants(&options->writable, MS_NOSUID | MS_NODEV | MS_NOEXEC, grants, &count))
    return false;
  struct grant system[SYSTEM_PATHS];
  size_t system_count = 0;
  if (mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=1m")) return failed("tmpfs");
  if (!options->bare && !add_system(options->system, system, &system_count)) return false;
  for (size_t i = 0; i < system_count; i++)
    if (!bind_grant(&system[i])) return false;
  if (!make_devices(options)) return false;
  for (size_t i = 0; i < count; i++)
    if (!bind_grant(&grants[i])) return false;
  if (chdir(NEW_ROOT) || syscall(SYS_pivot_root, ".", ".")) return failed("pivot_root");
  /* The old root lies on top of the new one now; taking it away leaves only the new one. */
  if (umount2(".", MNT_DETACH) || chdir("/")) return failed("old root");
  if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) return failed("read-only root");
  for (size_t i = 0; i < count; i++) close(grants[i].fd);
  for (size_t i = 0; i < system_count; i++) close(system[i].fd);
  return true;
}
