#define _GNU_SOURCE
#include "grow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "blocking-job.h"
#include "regular-file.h"
#include "status.h"

/* linux/fs/ext4/ext4.h has it for the kernel only. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

enum { SECTOR = 512, WAIT_STEP_US = 5000, WAIT_STEPS = 600 };

/* Bytes of the device of a file system as the kernel knows it; 0 when it does not say. */
static uint64_t device_bytes(dev_t device) {
  char path[64];
  unsigned long long sectors = 0;
  snprintf(path, sizeof path, "/sys/dev/block/%u:%u/size", major(device), minor(device));
  FILE *file = regular_file_open(path);
  if (!file) return 0;
  if (fscanf(file, "%llu", &sectors) != 1) sectors = 0;
  fclose(file);
  return (uint64_t)sectors * SECTOR;
}

/* The device tells the kernel its new size when it pleases. */
static bool await_size(dev_t device, uint64_t bytes) {
  for (int step = 0; step < WAIT_STEPS; step++) {
    if (device_bytes(device) >= bytes) return true;
    usleep(WAIT_STEP_US);
  }
  return false;
}

/* On a worker. */
static int grow(uint16_t op, struct reader *r, struct buffer *body) {
  (void)op;
  struct stat st;
  struct statfs fs;
  uint64_t bytes = read_u64(r);
  int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno;
  int status = STATUS_OK;
  if (fstat(root, &st) || fstatfs(root, &fs) || fs.f_bsize <= 0)
    status = errno ? errno : EINVAL;
  else if (!await_size(st.st_dev, bytes))
    status = fail_with(body, ETIMEDOUT, "the disk has not grown");
  else {
    uint64_t blocks = bytes / (uint64_t)fs.f_bsize;
    if (ioctl(root, EXT4_RESIZE, &blocks)) status = errno;
  }
  close(root);
  return status;
}

int request_grow(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  uint64_t bytes = read_u64(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "GROW does not parse");
  /* Elsewhere the root file system is that of the host. */
  if (!agent->guest) return fail_with(body, ENOSYS, "not in a machine");
  struct buffer job = {0};
  write_u64(&job, bytes);
  struct reader contents = {job.bytes, buffer_length(&job), !job.bytes};
  int status = blocking_job_begin(&agent->jobs, ticket, op, grow, &contents);
  buffer_free(&job);
  return status;
}
