#define _GNU_SOURCE
#include "measure.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Those that magic.h does not have. */
enum { XFS = 0x58465342, CONFIGFS = 0x62656570, HUGE_PAGES = 0x958458f6, FUSE_CONTROL = 0x65735543, MESSAGE_QUEUES = 0x19800202 };

static unsigned long type_of(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) ? 0 : (unsigned long)fs.f_type;
}

static bool is_kernel_type(unsigned long type) {
  static const unsigned long types[] = {SYSFS_MAGIC, PROC_SUPER_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC, BPF_FS_MAGIC, CONFIGFS, FUSE_CONTROL, MESSAGE_QUEUES};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i] == type) return true;
  return false;
}

/* Sizes of these are counted by what was stored. */
static bool is_stored_type(unsigned long type) {
  static const unsigned long types[] = {EXT4_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC, OVERLAYFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, ISOFS_SUPER_MAGIC, SQUASHFS_MAGIC, XFS, HUGE_PAGES};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (types[i] == type) return true;
  return false;
}

bool is_of_kernel(int fd) { return is_kernel_type(type_of(fd)); }

bool is_unmeasured(int fd, off_t size) {
  char byte;
  unsigned long type = type_of(fd);
  if (is_stored_type(type)) return false;
  /* An error too: some give records, and no byte alone. */
  if (size <= 0) return pread(fd, &byte, 1, 0) != 0;
  return is_kernel_type(type) || pread(fd, &byte, 1, size - 1) != 1 || pread(fd, &byte, 1, size) != 0;
}
