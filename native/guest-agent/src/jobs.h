/*
 * Work that may wait for a disk, done on a few threads so that the loop never waits.
 * A job owns what it works on from job_submit until `done` is called; nothing else is shared between threads.
 */
#ifndef WRENN_JOBS_H
#define WRENN_JOBS_H

#include "agent.h"

struct job {
  struct job *next;
  void (*work)(struct job *job);                      /* on a worker */
  void (*done)(struct agent *agent, struct job *job); /* in the loop, afterwards */
};

/*
 * Each class has workers of its own: parts of streams never queue behind file requests, of which one may take minutes,
 * and what the host asks about the machine never behind what a user's file system makes hang.
 */
enum job_class { JOB_PART, JOB_FILES, JOB_MACHINE, JOB_CLASSES };

/* Starts the workers; false when they cannot be had. */
bool jobs_start(struct agent *agent);
void job_submit(enum job_class class, struct job *job);

#endif
