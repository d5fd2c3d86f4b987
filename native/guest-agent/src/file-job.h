/*
 * File requests on workers. What is done at once has workers that never wait for what may take long, and the host
 * can cancel both kinds.
 */
#ifndef WRENN_FILE_JOB_H
#define WRENN_FILE_JOB_H

#include "jobs.h"
#include "request-table.h"

struct file_job;

struct file_jobs {
  struct jobs *jobs;
  struct file_job *under_way;
};

/* Hands the request over: STATUS_LATER, or the status to answer when that is impossible. */
int file_job_begin(struct file_jobs *files, const struct ticket *ticket, uint16_t op, const struct reader *r);
/* CANCEL: ends the request of that id soon, with ECANCELED if it was not done by then. One that is not under way is fine. */
int request_cancel(struct file_jobs *files, struct reader *r, struct buffer *body);
/* The link is over: no one waits for the answers. */
void file_jobs_cancel_all(struct file_jobs *files);

#endif
