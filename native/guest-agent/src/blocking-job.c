#include "blocking-job.h"

#include <errno.h>
#include <stdlib.h>

#include "status.h"

struct blocking_job {
  struct job job; /* first: a job is its blocking job */
  struct ticket ticket;
  uint16_t op;
  blocking_function *run;
  struct buffer request;
  struct buffer body;
  int status;
};

static void work(struct job *job) {
  struct blocking_job *blocking = (struct blocking_job *)job;
  struct reader r = {blocking->request.bytes, buffer_length(&blocking->request), false};
  blocking->status = blocking->run(blocking->op, &r, &blocking->body);
}

static void done(struct job *job) {
  struct blocking_job *blocking = (struct blocking_job *)job;
  request_answer(&blocking->ticket, blocking->status, &blocking->body);
  buffer_free(&blocking->request);
  free(blocking);
}

int blocking_job_begin(struct jobs *jobs, const struct ticket *ticket, uint16_t op, blocking_function *run, const struct reader *r) {
  struct blocking_job *blocking = calloc(1, sizeof *blocking);
  if (!blocking) return ENOMEM;
  *blocking = (struct blocking_job){.job = {.work = work, .done = done}, .ticket = *ticket, .op = op, .run = run};
  if (!buffer_append(&blocking->request, r->at, r->left)) {
    free(blocking);
    return ENOMEM;
  }
  job_submit(jobs, JOB_MACHINE, &blocking->job);
  return STATUS_LATER;
}
