#include "file-job.h"

#include <errno.h>
#include <stdlib.h>

#include "files.h"
#include "status.h"

struct file_job {
  struct job job; /* first: a job is its file job */
  struct file_job *next;
  struct file_jobs *files;
  struct ticket ticket;
  uint16_t op;
  bool unbounded;        /* it runs, or waits to, among those that may take long */
  atomic_bool cancelled; /* the worker looks at it */
  struct buffer request;
  struct buffer body;
  int status;
};

static void work(struct job *job) {
  struct file_job *file = (struct file_job *)job;
  struct reader r = {file->request.bytes, buffer_length(&file->request), false};
  struct file_scope scope = {!file->unbounded, &file->cancelled};
  file->status = file_call(file->op, &r, &scope, &file->body);
}

static void finish(struct file_job *file) {
  struct file_job **link = &file->files->under_way;
  while (*link != file) link = &(*link)->next;
  *link = file->next;
  request_answer(&file->ticket, file->status, &file->body);
  buffer_free(&file->request);
  free(file);
}

static enum job_class class_of(const struct file_job *file) { return file->unbounded ? JOB_TREE : JOB_FILES; }

static void done(struct job *job) {
  struct file_job *file = (struct file_job *)job;
  if (file->status != STATUS_UNBOUNDED) {
    finish(file);
  } else if (file->cancelled) {
    file->status = ECANCELED;
    finish(file);
  } else {
    buffer_free(&file->body);
    file->unbounded = true;
    job_submit(file->files->jobs, class_of(file), &file->job);
  }
}

int file_job_begin(struct file_jobs *files, const struct ticket *ticket, uint16_t op, const struct reader *r) {
  struct file_job *file = calloc(1, sizeof *file);
  if (!file || !buffer_append(&file->request, r->at, r->left)) {
    free(file);
    return ENOMEM;
  }
  file->job.work = work;
  file->job.done = done;
  file->files = files;
  file->ticket = *ticket;
  file->op = op;
  file->next = files->under_way;
  files->under_way = file;
  job_submit(file->files->jobs, class_of(file), &file->job);
  return STATUS_LATER;
}

static void cancel(struct file_job *file) {
  atomic_store(&file->cancelled, true);
  if (!job_withdraw(file->files->jobs, class_of(file), &file->job)) return;
  file->status = ECANCELED;
  finish(file);
}

int request_cancel(struct file_jobs *files, struct reader *r, struct buffer *body) {
  uint32_t id = read_u32(r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "CANCEL does not parse");
  struct file_job *file = files->under_way;
  while (file && file->ticket.id != id) file = file->next;
  if (file) cancel(file);
  return STATUS_OK;
}

void file_jobs_cancel_all(struct file_jobs *files) {
  for (struct file_job *file = files->under_way, *next; file; file = next) {
    next = file->next;
    cancel(file);
  }
}
