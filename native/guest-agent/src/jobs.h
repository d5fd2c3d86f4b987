/*
 * Work that may wait for a disk, done on a few threads so that the loop never waits.
 * A job owns what it works on from job_submit until `done` is called; nothing else is shared between threads.
 */
#ifndef WRENN_JOBS_H
#define WRENN_JOBS_H

#include <pthread.h>

#include "loop.h"

struct job {
  struct job *next;
  void (*work)(struct job *job); /* on a worker */
  void (*done)(struct job *job); /* in the loop, afterwards */
};

/*
 * Each class has its workers, and never queues behind another: parts of streams, short file requests, work on whole trees
 * and large files (which may take minutes), archives and the beginnings of watches, what watches
 * report, and what the host asks about the machine.
 */
enum job_class { JOB_PART, JOB_FILES, JOB_TREE, JOB_FEED, JOB_WATCH, JOB_MACHINE, JOB_CLASSES };

struct job_queue {
  struct job *first;
  struct job **end;
};

/* What the workers of one class are started with. */
struct job_crew {
  struct jobs *jobs;
  enum job_class class;
};

struct jobs {
  pthread_mutex_t lock;
  pthread_cond_t more[JOB_CLASSES];
  struct job_queue waiting[JOB_CLASSES];
  struct job_queue finished;
  struct job_crew crews[JOB_CLASSES];
  struct watch wake;
};

/* Starts the workers; false when they cannot be had. */
bool jobs_start(struct jobs *jobs, struct loop *loop);
void job_submit(struct jobs *jobs, enum job_class class, struct job *job);
/* Takes back a job that no worker has begun; false when one has. */
bool job_withdraw(struct jobs *jobs, enum job_class class, struct job *job);

#endif
