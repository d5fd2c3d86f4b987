/* The one state of the agent. It belongs to the loop's thread; workers (jobs.h) see only what a job brings along. */
#ifndef WRENN_AGENT_H
#define WRENN_AGENT_H

#include "cgroup.h"
#include "environment.h"
#include "feed.h"
#include "file-job.h"
#include "process.h"
#include "transfer.h"
#include "uploads.h"

struct agent {
  bool guest; /* PID 1 of a machine, and not a program beside others */
  struct loop loop;
  struct jobs jobs;
  struct watch children; /* signals that a child has ended */
  uint64_t instance;
  struct lane lanes[LANES];
  struct request_table requests[LANES];
  struct stream_table streams;
  struct cgroups cgroups;
  struct environment defaults; /* of every process */
  struct processes processes;
  struct transfers transfers;
  struct feeds feeds;
  struct file_jobs file_jobs;
  struct uploads uploads;
};

#endif
