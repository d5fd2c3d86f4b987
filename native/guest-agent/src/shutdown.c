#define _GNU_SOURCE
#include "shutdown.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "all-processes.h"
#include "blocking-job.h"
#include "file-systems.h"
#include "status.h"

enum { FLAG_UNDO = 1, FLAGS = 1, GRACE_LIMIT_MS = 60000, STEP_MS = 10, KILL_LIMIT_MS = 5000, SEAL_LIMIT_MS = 5000 };

/* Waits until no process is left, for at most `limit` ms. Returns how many are. */
static uint32_t await_end(uint32_t limit) {
  uint32_t left = all_processes_count();
  for (uint32_t waited = 0; left > 0 && waited < limit; waited += STEP_MS) {
    usleep(STEP_MS * 1000);
    left = all_processes_count();
  }
  return left;
}

/* Returns how many processes did not end within the grace and were killed. */
static uint32_t end_processes(uint32_t grace) {
  all_processes_terminate();
  uint32_t left = await_end(grace);
  /* Again until none is left: while some are killed others may make more. */
  for (uint32_t waited = 0; waited < KILL_LIMIT_MS; waited += STEP_MS) {
    all_processes_kill();
    if (await_end(STEP_MS) == 0) break;
  }
  return left;
}

/* A process that is ending, or a part of a file that a worker still writes, holds the file system for a moment. */
static const char *seal(void) {
  const char *problem = NULL;
  for (uint32_t waited = 0; waited < SEAL_LIMIT_MS; waited += STEP_MS) {
    file_systems_unmount();
    problem = root_seal();
    if (!problem) return NULL;
    all_processes_kill();
    usleep(STEP_MS * 1000);
  }
  return problem;
}

/* On a worker. */
static int shut_down(uint16_t op, struct reader *r, struct buffer *body) {
  uint32_t grace = read_u32(r);
  (void)op;
  uint32_t killed = end_processes(grace);
  sync();
  const char *problem = seal();
  write_u32(body, killed);
  write_text(body, problem ? problem : "");
  return STATUS_OK;
}

static int undo(struct agent *agent, struct buffer *body) {
  const char *problem = agent->guest ? root_unseal() : NULL;
  if (problem) return fail_with(body, EIO, problem);
  write_u32(body, 0);
  write_text(body, "");
  return STATUS_OK;
}

/* Outside a guest there is no machine to shut down: the users' processes end, and the file systems are the host's. */
static int end_users(const struct cgroups *cgroups, struct buffer *body) {
  if (cgroup_available(cgroups)) cgroup_kill_all(cgroups);
  write_u32(body, 0);
  write_text(body, "");
  return STATUS_OK;
}

int request_shutdown(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  uint32_t flags = read_u32(r);
  uint32_t grace = read_u32(r);
  if (!read_finished(r) || flags > FLAGS || grace > GRACE_LIMIT_MS) return fail_with(body, STATUS_BAD_REQUEST, "SHUTDOWN does not parse");
  if (flags & FLAG_UNDO) return undo(agent, body);
  /* Files that the agent itself writes would keep the file system writable. */
  streams_close(&agent->streams, LANE_BULK);
  file_jobs_cancel_all(&agent->file_jobs);
  uploads_drop_all(&agent->uploads);
  if (cgroup_available(&agent->cgroups)) (void)cgroup_freeze(&agent->cgroups, false);
  if (!agent->guest) return end_users(&agent->cgroups, body);
  struct buffer job = {0};
  write_u32(&job, grace);
  struct reader contents = {job.bytes, buffer_length(&job), !job.bytes};
  int status = blocking_job_begin(&agent->jobs, ticket, op, shut_down, &contents);
  buffer_free(&job);
  return status;
}
