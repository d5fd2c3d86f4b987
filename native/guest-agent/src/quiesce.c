#define _GNU_SOURCE
#include "quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cgroup.h"
#include "requests.h"

enum { FLAG_SYNC = 1, FLAG_DROP_CACHE = 2, FLAG_FREEZE = 4 };

int request_quiesce(struct agent *agent, struct reader *r, struct buffer *body) {
  uint32_t flags = read_u32(r);
  if (r->failed || flags > 7) return fail_with(body, STATUS_BAD_REQUEST, "QUIESCE does not parse");
  if (flags & FLAG_FREEZE && agent->cgroups && !cgroup_freeze_all(true)) return fail_with(body, EIO, "cannot freeze the users' processes");
  if (flags & FLAG_SYNC) sync();
  if (flags & FLAG_DROP_CACHE) {
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "3", 1) == 1;
    if (fd >= 0) close(fd);
    if (!ok) return fail_with(body, EIO, "cannot drop the page cache");
  }
  return STATUS_OK;
}

int request_thaw(struct agent *agent, struct buffer *body) {
  if (agent->cgroups && !cgroup_freeze_all(false)) return fail_with(body, EIO, "cannot thaw the users' processes");
  return STATUS_OK;
}
