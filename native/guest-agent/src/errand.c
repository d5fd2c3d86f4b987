#include "errand.h"

#include <errno.h>
#include <stdlib.h>

#include "jobs.h"

struct errand {
  struct job job; /* first: a job is its errand */
  struct ticket ticket;
  uint16_t op;
  errand_function *run;
  struct buffer request;
  struct buffer body;
  int status;
};

static void work(struct job *job) {
  struct errand *errand = (struct errand *)job;
  struct reader r = {errand->request.bytes, buffer_length(&errand->request), false};
  errand->status = errand->run(errand->op, &r, &errand->body);
}

static void done(struct agent *agent, struct job *job) {
  struct errand *errand = (struct errand *)job;
  lane_respond(agent, &errand->ticket, errand->status, &errand->body);
  buffer_free(&errand->request);
  free(errand);
}

int errand_begin(const struct ticket *ticket, uint16_t op, errand_function *run, const struct reader *r) {
  struct errand *errand = calloc(1, sizeof *errand);
  if (!errand) return ENOMEM;
  *errand = (struct errand){.job = {.work = work, .done = done}, .ticket = *ticket, .op = op, .run = run};
  if (!buffer_append(&errand->request, r->at, r->left)) {
    free(errand);
    return ENOMEM;
  }
  job_submit(ticket->lane == 0 ? JOB_MACHINE : JOB_FILES, &errand->job);
  return STATUS_LATER;
}
