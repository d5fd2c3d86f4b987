/* What a user put in the place of a cgroup's files is not waited for. */
#define _GNU_SOURCE
#include "../src/cgroup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

int main(void) {
  struct cgroups cgroups = {0};
  char directory[] = "/tmp/wrenn-cgroup-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  CHECK(mkdir("user", 0755) == 0 && mkdir("hooks", 0755) == 0);
  snprintf(cgroups.root, sizeof cgroups.root, "%s/user", directory);
  snprintf(cgroups.hooks, sizeof cgroups.hooks, "%s/hooks", directory);
  alarm(20);
  CHECK(mkfifo("hooks/cgroup.events", 0644) == 0 && mkfifo("hooks/cgroup.procs", 0644) == 0);
  cgroup_keep_hooks(&cgroups);
  cgroup_signal(&cgroups, CGROUP_HOOKS, 0, 15);
  CHECK(cgroups.last == 0);
  CHECK(unlink("hooks/cgroup.events") == 0);
  write_text("hooks/cgroup.events", "populated 1\nfrozen 0\n");
  cgroup_keep_hooks(&cgroups);
  CHECK(cgroups.last == 1 && cgroups.leftover_count == 0);
  CHECK(unlink("hooks/cgroup.events") == 0 && unlink("hooks/cgroup.procs") == 0 && rmdir("hooks") == 0 && rmdir("user") == 0);
  CHECK(rmdir(directory) == 0);
  return 0;
}
