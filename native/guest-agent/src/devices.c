#define _GNU_SOURCE
#include "devices.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MISC = 10, DISK_GROUP = 6 };

/* Opening one makes the kernel request its module by this number. Modes and groups are those that udev gives on Debian. */
static const struct {
  const char *path;
  unsigned int minor;
  gid_t group;
  mode_t mode;
} nodes[] = {
    {"/dev/fuse", 229, 0, 0666},       {"/dev/net/tun", 200, 0, 0666},        {"/dev/loop-control", 237, DISK_GROUP, 0660},
    {"/dev/cuse", 203, 0, 0600},       {"/dev/mapper/control", 236, 0, 0600}, {"/dev/btrfs-control", 234, DISK_GROUP, 0660},
};

static const char *const directories[] = {"/dev/net", "/dev/mapper", "/dev/hugepages"};

static const struct {
  const char *path, *target;
} links[] = {
    {"/dev/fd", "/proc/self/fd"},         {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},   {"/dev/core", "/proc/kcore"},      {"/dev/rtc", "rtc0"},
};

static void note(const char *path) { dprintf(1, "wrenn-init: %s: %s\n", path, strerror(errno)); }

static void set_owner_and_mode(const char *path, gid_t group, mode_t mode) {
  if (chown(path, 0, group) || chmod(path, mode)) note(path);
}

void devices_complete(void) {
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
    if (mkdir(directories[i], 0755) && errno != EEXIST) note(directories[i]);
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
    /* A kernel that has the driver built in has made the node itself. */
    if (mknod(nodes[i].path, S_IFCHR, makedev(MISC, nodes[i].minor)) && errno != EEXIST)
      note(nodes[i].path);
    else
      set_owner_and_mode(nodes[i].path, nodes[i].group, nodes[i].mode);
  }
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (symlink(links[i].target, links[i].path) && errno != EEXIST) note(links[i].path);
  set_owner_and_mode("/dev/ptmx", 5, 0666);
  set_owner_and_mode("/dev/tty", 5, 0666);
  set_owner_and_mode("/dev/vda", DISK_GROUP, 0660);
}
