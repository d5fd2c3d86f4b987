#define _GNU_SOURCE
#include "kernel-settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *name, *value;
} settings[] = {
    /* As Debian's init sets them. */
    {"kernel/core_uses_pid", "1"},
    {"kernel/pid_max", "4194304"},
    {"fs/protected_fifos", "1"},
    {"fs/protected_hardlinks", "1"},
    {"fs/protected_regular", "2"},
    {"fs/protected_symlinks", "1"},
    {"net/ipv4/ping_group_range", "0 2147483647"},
    /* Elasticsearch, OpenSearch and large JVMs refuse to start, or crash, with the kernel's 65530. */
    {"vm/max_map_count", "1048576"},
};

static int write_setting(const char *name, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/%s", name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int problem = write(fd, value, strlen(value)) < 0 ? errno : 0;
  close(fd);
  return problem;
}

void kernel_settings_apply(void) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    int problem = write_setting(settings[i].name, settings[i].value);
    if (problem) dprintf(1, "wrenn-init: %s: %s\n", settings[i].name, strerror(problem));
  }
}
