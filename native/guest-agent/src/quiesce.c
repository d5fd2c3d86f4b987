#define _GNU_SOURCE
#include "quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cgroup.h"
#include "errand.h"
#include "requests.h"

enum { FLAG_SYNC = 1, FLAG_DROP_CACHE = 2, FLAG_FREEZE = 4, FLAGS = 7 };

/* On a worker: the freezing has begun; what follows may take as long as the disk does. */
static int calm(uint16_t op, struct reader *r, struct buffer *body) {
  uint32_t flags = read_u32(r);
  (void)op;
  if (flags & FLAG_FREEZE && !cgroup_frozen()) {
    (void)cgroup_freeze(false);
    return fail_with(body, EBUSY, "the users' processes do not stand still; they run on");
  }
  if (flags & FLAG_SYNC) sync();
  if (flags & FLAG_DROP_CACHE) {
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "3", 1) == 1;
    if (fd >= 0) close(fd);
    if (!ok) return fail_with(body, EIO, "cannot drop the page cache");
  }
  return STATUS_OK;
}

int request_quiesce(const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  struct reader peek = *r;
  uint32_t flags = read_u32(&peek);
  if (!read_finished(&peek) || flags > FLAGS) return fail_with(body, STATUS_BAD_REQUEST, "QUIESCE does not parse");
  if (flags & FLAG_FREEZE && !cgroup_available()) return fail_with(body, ENOSYS, "without cgroups the users' processes cannot be frozen");
  /* Here, in the loop, so that a THAW that comes later also takes effect later. */
  if (flags & FLAG_FREEZE && !cgroup_freeze(true)) return fail_with(body, EIO, "cannot freeze the users' processes");
  return errand_begin(ticket, op, calm, r);
}

int request_thaw(struct reader *r, struct buffer *body) {
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "THAW does not parse");
  if (cgroup_available() && !cgroup_freeze(false)) return fail_with(body, EIO, "cannot thaw the users' processes");
  return STATUS_OK;
}
