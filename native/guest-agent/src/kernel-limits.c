#define _GNU_SOURCE
#include "kernel-limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Open files of a process, as decision 46 has them: enough that no program runs out by default, and few enough that one which
 * closes every possible descriptor is done soon.
 */
enum { DESCRIPTORS_SOFT = 65536, DESCRIPTORS_HARD = 1048576 };

static const struct {
  const char *path;
  unsigned long long least;
} settings[] = {
    {"/proc/sys/fs/nr_open", DESCRIPTORS_HARD},
    {"/proc/sys/fs/file-max", 9223372036854775807ULL},
    {"/proc/sys/fs/inotify/max_user_watches", 524288},
    {"/proc/sys/fs/inotify/max_user_instances", 8192},
};

/* False with errno. */
static bool raise_setting(const char *path, unsigned long long least) {
  char text[32] = {0};
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = read(fd, text, sizeof text - 1) > 0;
  if (ok && strtoull(text, NULL, 10) < least) {
    int length = snprintf(text, sizeof text, "%llu", least);
    ok = pwrite(fd, text, (size_t)length, 0) == length;
  }
  int problem = errno;
  close(fd);
  errno = problem;
  return ok;
}

static bool raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return false;
  if (limit.rlim_max < DESCRIPTORS_HARD) limit.rlim_max = DESCRIPTORS_HARD;
  if (limit.rlim_cur < DESCRIPTORS_SOFT) limit.rlim_cur = DESCRIPTORS_SOFT;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void kernel_limits_raise(void (*note)(const char *what, const char *problem)) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (!raise_setting(settings[i].path, settings[i].least)) note(settings[i].path, strerror(errno));
  if (!raise_descriptors()) note("open files", strerror(errno));
}
