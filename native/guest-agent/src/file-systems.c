#define _GNU_SOURCE
#include "file-systems.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/swap.h>

#include "regular-file.h"

enum { MOUNT_LIMIT = 1024, LINE = 8192 };

/* Hold nothing that outlives the machine, or are needed until its end. */
static const char *const kept_types[] = {"proc", "sysfs", "devtmpfs", "devpts", "tmpfs", "mqueue", "cgroup2", "rootfs", "ramfs", "hugetlbfs", "securityfs", "debugfs", "tracefs", "bpf"};

/* Answer by themselves, as far as their disk does. Whatever is not listed may not: FUSE, NFS, 9P, CIFS, automounts, overlays of them. */
static const char *const own_types[] = {"ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "squashfs", "iso9660", "erofs", "cgroup", "fusectl", "efivarfs", "pstore", "configfs", "binfmt_misc", "nsfs"};

static int is_listed(const char *const *types, size_t count, const char *type, size_t length) {
  for (size_t i = 0; i < count; i++)
    if (strlen(types[i]) == length && strncmp(type, types[i], length) == 0) return 1;
  return 0;
}

/* The type in a line of the kernel's list; NULL when it does not parse. */
static const char *type_of(const char *line, size_t *length) {
  const char *target = strchr(line, ' ');
  const char *end = target ? strchr(target + 1, ' ') : NULL;
  if (end) *length = strcspn(end + 1, " \n");
  return end ? end + 1 : NULL;
}

int mount_is_foreign(const char *line) {
  size_t length = 0;
  const char *type = type_of(line, &length);
  return !type || !(is_listed(kept_types, sizeof kept_types / sizeof *kept_types, type, length) || is_listed(own_types, sizeof own_types / sizeof *own_types, type, length));
}

static int read_foreign(void) {
  FILE *file = regular_file_open("/proc/self/mounts");
  char line[LINE];
  int foreign = !file;
  while (file && !foreign && fgets(line, sizeof line, file)) foreign = mount_is_foreign(line);
  if (file) fclose(file);
  return foreign;
}

int file_systems_foreign(void) {
  static int changes = -1;
  static int foreign = 1;
  int first = changes < 0;
  if (first) changes = open("/proc/self/mounts", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  /* The kernel reports each change of the list once to each descriptor of it. */
  struct pollfd changed = {.fd = changes, .events = POLLPRI};
  if (changes < 0) return 1;
  int ready = poll(&changed, 1, 0);
  if (first || ready < 0 || (ready > 0 && changed.revents & (POLLPRI | POLLERR))) foreign = read_foreign();
  return foreign;
}

/* Undoes the octal escapes of the kernel's lists (proc_pid_mounts(5)). False when it does not fit. */
static int unescape(const char *text, size_t length, char *path, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < length; n++) {
    unsigned int octal;
    char c = text[i];
    if (n + 1 >= size) return 0;
    if (c == '\\' && i + 3 < length && sscanf(text + i + 1, "%3o", &octal) == 1 && octal < 256) {
      c = (char)octal;
      i += 4;
    } else {
      i++;
    }
    path[n] = c;
  }
  path[n] = 0;
  return n > 0;
}

int mount_to_remove(const char *line, char *path, size_t size) {
  size_t length = 0;
  const char *type = type_of(line, &length);
  if (!type || is_listed(kept_types, sizeof kept_types / sizeof *kept_types, type, length)) return 0;
  const char *target = strchr(line, ' ') + 1;
  return unescape(target, (size_t)(type - 1 - target), path, size) && strcmp(path, "/") != 0;
}

static void end_swap(void) {
  FILE *file = regular_file_open("/proc/swaps");
  char line[LINE];
  char path[LINE];
  while (file && fgets(line, sizeof line, file))
    if (*line == '/' && unescape(line, strcspn(line, " \t\n"), path, sizeof path)) (void)swapoff(path);
  if (file) fclose(file);
}

void file_systems_unmount(void) {
  end_swap();
  FILE *file = regular_file_open("/proc/self/mounts");
  char line[LINE];
  char path[LINE];
  char *paths[MOUNT_LIMIT];
  size_t count = 0;
  while (file && count < MOUNT_LIMIT && fgets(line, sizeof line, file))
    if (mount_to_remove(line, path, sizeof path) && (paths[count] = strdup(path))) count++;
  if (file) fclose(file);
  while (count > 0) {
    (void)umount2(paths[--count], UMOUNT_NOFOLLOW);
    free(paths[count]);
  }
}

static const char *remount_root(unsigned long flags) {
  return mount(NULL, "/", NULL, MS_REMOUNT | MS_NOATIME | flags, "") == 0 ? NULL : strerrordesc_np(errno);
}

const char *root_seal(void) { return remount_root(MS_RDONLY); }

const char *root_unseal(void) { return remount_root(0); }
