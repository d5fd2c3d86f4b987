#define _GNU_SOURCE
#include "disk-check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAMS "/check"

/* Of ext4's superblock (Documentation/filesystems/ext4/super.rst), and of e2fsck's exit status (e2fsck(8)). */
enum { MAGIC_AT = 56, STATE_AT = 58, MAGIC = 0xef53, STATE_VALID = 1, STATE_ERRORS = 2, EXIT_UNCORRECTED = 4 };

static enum disk_state at_boot = DISK_CLEAN;

static unsigned int u16_at(const uint8_t *bytes, size_t at) { return (unsigned int)(bytes[at] | bytes[at + 1] << 8); }

bool superblock_is_clean(const uint8_t bytes[SUPERBLOCK_SIZE]) {
  unsigned int state = u16_at(bytes, STATE_AT);
  return u16_at(bytes, MAGIC_AT) == MAGIC && state & STATE_VALID && !(state & STATE_ERRORS);
}

static bool is_clean(const char *device) {
  uint8_t bytes[SUPERBLOCK_SIZE];
  int fd = open(device, O_RDONLY | O_CLOEXEC);
  bool clean = fd >= 0 && pread(fd, bytes, sizeof bytes, SUPERBLOCK_AT) == sizeof bytes && superblock_is_clean(bytes);
  if (fd >= 0) close(fd);
  return clean;
}

/* Its exit status; -1 when it cannot be run. */
static int run_check(const char *how, const char *device) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    execl(PROGRAMS "/ld.so", "ld.so", "--library-path", PROGRAMS, PROGRAMS "/e2fsck", how, device, (char *)NULL);
    _exit(127);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 127) return -1;
  return WEXITSTATUS(status);
}

enum disk_state disk_check(const char *device) {
  if (is_clean(device)) return at_boot = DISK_CLEAN;
  dprintf(1, "wrenn-init: %s was not unmounted: it is checked\n", device);
  /* What is safe without a question first; then, as no one is here to answer, the rest. */
  int status = run_check("-p", device);
  if (status >= EXIT_UNCORRECTED) status = run_check("-y", device);
  if (status >= 0) dprintf(1, "wrenn-init: the check of %s ended with status %d\n", device, status);
  return at_boot = status >= 0 && status < EXIT_UNCORRECTED ? DISK_CHECKED : DISK_DAMAGED;
}

enum disk_state disk_state_at_boot(void) { return at_boot; }

void disk_check_remove(void) {
  DIR *directory = opendir(PROGRAMS);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));)
    if (*entry->d_name != '.') (void)unlinkat(dirfd(directory), entry->d_name, 0);
  closedir(directory);
  (void)rmdir(PROGRAMS);
}
