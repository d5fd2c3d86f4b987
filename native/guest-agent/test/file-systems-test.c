#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "check.h"
#include "file-systems.h"

static int removes(const char *line, const char *expected) {
  char path[64];
  return mount_to_remove(line, path, sizeof path) && strcmp(path, expected) == 0;
}

/* Those on which a program may wait for a process, or for another machine. */
static void tells_foreign_ones(void) {
  CHECK(!mount_is_foreign("/dev/vda / ext4 rw,noatime 0 0\n"));
  CHECK(!mount_is_foreign("proc /proc proc rw 0 0\n"));
  CHECK(!mount_is_foreign("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"));
  CHECK(!mount_is_foreign("tmpfs /mnt/fuse.x tmpfs rw 0 0\n"));
  CHECK(mount_is_foreign("sshfs /mnt/a fuse.sshfs rw 0 0\n"));
  CHECK(mount_is_foreign("x /mnt/with\\040space fuse rw 0 0\n"));
  CHECK(mount_is_foreign("server:/x /mnt/b nfs4 rw 0 0\n"));
  CHECK(mount_is_foreign("overlay /mnt/c overlay rw 0 0\n"));
  CHECK(mount_is_foreign("x /mnt/d ext44 rw 0 0\n"));
  CHECK(mount_is_foreign("x /mnt/e ext rw 0 0\n"));
  /* What does not parse might be one. */
  CHECK(mount_is_foreign("") && mount_is_foreign("a b") && mount_is_foreign("a b "));
}

/* Where the test may mount, in a namespace of its own: a change is seen at once. */
static void notices_changes(void) {
  char directory[] = "/tmp/wrenn-mounts-XXXXXX";
  char options[64];
  int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse < 0 || geteuid() != 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return;
  int before = file_systems_foreign();
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
  CHECK(mkdtemp(directory) && mount("x", directory, "fuse.x", 0, options) == 0);
  CHECK(file_systems_foreign() && file_systems_foreign());
  close(fuse);
  CHECK(umount(directory) == 0 && rmdir(directory) == 0);
  CHECK(file_systems_foreign() == before && file_systems_foreign() == before);
}

int main(void) {
  char path[8];
  tells_foreign_ones();
  notices_changes();
  CHECK(removes("/dev/loop0 /mnt/a ext4 rw,relatime 0 0\n", "/mnt/a"));
  CHECK(removes("/dev/vda /srv/data ext4 rw 0 0\n", "/srv/data"));
  CHECK(removes("overlay /var/lib/x overlay rw 0 0\n", "/var/lib/x"));
  CHECK(removes("/dev/loop0 /mnt/with\\040space ext4 rw 0 0\n", "/mnt/with space"));
  CHECK(removes("/dev/loop0 /mnt/end\\134 ext4 rw 0 0\n", "/mnt/end\\"));
  /* The root is sealed, and what lies in memory goes with the machine. */
  CHECK(!removes("/dev/vda / ext4 rw,noatime 0 0\n", "/"));
  CHECK(!removes("tmpfs /run tmpfs rw 0 0\n", "/run"));
  CHECK(!removes("proc /proc proc rw 0 0\n", "/proc"));
  /* A shutdown that is undone leaves what the boot has mounted. */
  static const char *const of_boot[] = {"hugetlbfs", "securityfs", "debugfs", "tracefs", "bpf"};
  for (size_t i = 0; i < sizeof of_boot / sizeof *of_boot; i++) {
    char line[64];
    snprintf(line, sizeof line, "x /sys/x %s rw 0 0\n", of_boot[i]);
    CHECK(!removes(line, "/sys/x") && !mount_is_foreign(line));
  }
  CHECK(!mount_to_remove("", path, sizeof path));
  CHECK(!mount_to_remove("onlyone", path, sizeof path));
  CHECK(!mount_to_remove("a b", path, sizeof path));
  CHECK(!mount_to_remove("/dev/loop0 /longer/than/the/room ext4 rw 0 0\n", path, sizeof path));
  return 0;
}
