#define _GNU_SOURCE
#include "quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "blocking-job.h"
#include "status.h"

enum { FLAG_SYNC = 1, FLAG_DROP_CACHE = 2, FLAG_FREEZE = 4, FLAGS = 7 };

static bool await_frozen(const char *root) {
  struct cgroups cgroups = {0};
  snprintf(cgroups.root, sizeof cgroups.root, "%s", root);
  bool ok = cgroup_frozen(&cgroups);
  if (!ok && cgroup_available(&cgroups)) (void)cgroup_freeze(&cgroups, false);
  return ok;
}

/* On a worker: the freezing has begun; what follows may take as long as the disk does. The loop's cgroups come by their root. */
static int calm(uint16_t op, struct reader *r, struct buffer *body) {
  uint32_t flags = read_u32(r);
  char *root = read_text(r, CGROUP_PATH);
  (void)op;
  if (!root) return ENOMEM;
  bool ready = !(flags & FLAG_FREEZE) || await_frozen(root);
  free(root);
  if (!ready) return fail_with(body, EBUSY, "the users' processes do not stop; they run on");
  if (flags & FLAG_SYNC) sync();
  if (flags & FLAG_DROP_CACHE) {
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, "3", 1) == 1;
    if (fd >= 0) close(fd);
    if (!ok) return fail_with(body, EIO, "cannot drop the page cache");
  }
  return STATUS_OK;
}

int request_quiesce(struct cgroups *cgroups, struct jobs *jobs, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  struct reader peek = *r;
  uint32_t flags = read_u32(&peek);
  if (!read_finished(&peek) || flags > FLAGS) return fail_with(body, STATUS_BAD_REQUEST, "QUIESCE does not parse");
  if (flags & FLAG_FREEZE && !cgroup_available(cgroups)) return fail_with(body, ENOSYS, "without cgroups the users' processes cannot be frozen");
  /* Here, in the loop, so that a THAW that comes later also takes effect later. */
  if (flags & FLAG_FREEZE && !cgroup_freeze(cgroups, true)) return fail_with(body, EIO, "cannot freeze the users' processes");
  struct buffer job = {0};
  write_u32(&job, flags);
  write_text(&job, cgroups->root);
  struct reader contents = {job.bytes, buffer_length(&job), !job.bytes};
  int status = blocking_job_begin(jobs, ticket, op, calm, &contents);
  if (status != STATUS_LATER && flags & FLAG_FREEZE) (void)cgroup_freeze(cgroups, false);
  buffer_free(&job);
  return status;
}

int request_thaw(struct cgroups *cgroups, struct reader *r, struct buffer *body) {
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "THAW does not parse");
  if (cgroup_available(cgroups) && !cgroup_freeze(cgroups, false)) return fail_with(body, EIO, "cannot thaw the users' processes");
  return STATUS_OK;
}
