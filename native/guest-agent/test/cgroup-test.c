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

static bool is_there(const struct cgroups *cgroups, uint64_t number) {
  char path[CGROUP_PATH];
  snprintf(path, sizeof path, "%s/p%llu", cgroups->root, (unsigned long long)number);
  return access(path, F_OK) == 0;
}

/* The next process gets the one that is ready, and a new one where root has removed it. */
static void keeps_one_ready(struct cgroups *cgroups) {
  cgroup_make_spare(cgroups);
  cgroup_make_spare(cgroups);
  uint64_t first = cgroups->spare;
  CHECK(first != 0 && first == cgroups->last && is_there(cgroups, first));
  CHECK(cgroup_create(cgroups) == first && cgroups->spare == 0);
  uint64_t second = cgroup_create(cgroups);
  CHECK(second > first && is_there(cgroups, second));
  cgroup_make_spare(cgroups);
  uint64_t third = cgroups->spare;
  CHECK(third > second && cgroup_remove(cgroups, third));
  uint64_t fourth = cgroup_create(cgroups);
  CHECK(fourth > third && is_there(cgroups, fourth));
  CHECK(cgroup_remove(cgroups, first) && cgroup_remove(cgroups, second) && cgroup_remove(cgroups, fourth));
}

/* Whoever thawed them, it is noticed. */
static void knows_whether_frozen(struct cgroups *cgroups) {
  CHECK(!cgroup_is_frozen(cgroups));
  write_text("user/cgroup.freeze", "0");
  CHECK(cgroup_freeze(cgroups, true) && cgroup_is_frozen(cgroups) && cgroup_is_frozen(cgroups));
  struct cgroups copy = *cgroups;
  CHECK(cgroup_freeze(&copy, false) && !cgroup_is_frozen(cgroups) && !cgroups->may_be_frozen);
  CHECK(cgroup_freeze(cgroups, true) && cgroup_is_frozen(cgroups));
  CHECK(cgroup_freeze(cgroups, false) && !cgroup_is_frozen(cgroups));
  CHECK(unlink("user/cgroup.freeze") == 0);
}

/* What commands may have leaves room for the kernel, the agent and one more command, in the smallest machine, too. */
static void leaves_room(void) {
  struct process_limits small = cgroup_process_limits(800, 32768);
  CHECK(small.all == 600 && small.of_one == 563);
  struct process_limits large = cgroup_process_limits(1000000, 32768);
  CHECK(large.all == 24576 && large.of_one == 23040);
  struct process_limits unknown = cgroup_process_limits(0, 32768);
  CHECK(unknown.all == 0 && unknown.of_one == 0);
  CHECK(cgroup_memory_limit(64 << 20) == 60 << 20);
  CHECK(cgroup_memory_limit(UINT64_C(8) << 30) == (UINT64_C(8) << 30) - (64 << 20));
  CHECK(cgroup_memory_limit(0) == 0);
}

int main(void) {
  leaves_room();
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
  keeps_one_ready(&cgroups);
  knows_whether_frozen(&cgroups);
  CHECK(unlink("hooks/cgroup.events") == 0 && unlink("hooks/cgroup.procs") == 0 && rmdir("hooks") == 0 && rmdir("user") == 0);
  CHECK(rmdir(directory) == 0);
  return 0;
}
