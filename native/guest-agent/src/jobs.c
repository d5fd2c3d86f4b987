#define _GNU_SOURCE
#include "jobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Paths and parts of files are on the stack; untouched stack costs nothing. */
enum { STACK_BYTES = 8 << 20, NICENESS = 5 };

static const int workers[JOB_CLASSES] = {[JOB_PART] = 2, [JOB_FILES] = 4, [JOB_TREE] = 4, [JOB_FEED] = 2, [JOB_WATCH] = 2, [JOB_MACHINE] = 2};

static void put(struct job_queue *queue, struct job *job) {
  job->next = NULL;
  *queue->end = job;
  queue->end = &job->next;
}

static struct job *take(struct job_queue *queue) {
  struct job *job = queue->first;
  if (!job) return NULL;
  queue->first = job->next;
  if (!queue->first) queue->end = &queue->first;
  return job;
}

static _Noreturn void *worker(void *argument) {
  const struct job_crew *crew = argument;
  struct jobs *jobs = crew->jobs;
  /* On Linux a thread has its own niceness: work gives way to keystrokes. */
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
  for (;;) {
    (void)pthread_mutex_lock(&jobs->lock);
    struct job *job;
    while (!(job = take(&jobs->waiting[crew->class]))) (void)pthread_cond_wait(&jobs->more[crew->class], &jobs->lock);
    (void)pthread_mutex_unlock(&jobs->lock);
    job->work(job);
    (void)pthread_mutex_lock(&jobs->lock);
    put(&jobs->finished, job);
    (void)pthread_mutex_unlock(&jobs->lock);
    uint64_t one = 1;
    ssize_t ignored = write(jobs->wake.fd, &one, sizeof one);
    (void)ignored;
  }
}

static void finished_ready(void *owner, uint32_t events) {
  struct jobs *jobs = owner;
  uint64_t count;
  (void)events;
  ssize_t ignored = read(jobs->wake.fd, &count, sizeof count);
  (void)ignored;
  for (;;) {
    (void)pthread_mutex_lock(&jobs->lock);
    struct job *job = take(&jobs->finished);
    (void)pthread_mutex_unlock(&jobs->lock);
    if (!job) return;
    job->done(job);
  }
}

void job_submit(struct jobs *jobs, enum job_class class, struct job *job) {
  (void)pthread_mutex_lock(&jobs->lock);
  put(&jobs->waiting[class], job);
  (void)pthread_cond_signal(&jobs->more[class]);
  (void)pthread_mutex_unlock(&jobs->lock);
}

bool job_withdraw(struct jobs *jobs, enum job_class class, struct job *job) {
  (void)pthread_mutex_lock(&jobs->lock);
  struct job_queue *queue = &jobs->waiting[class];
  struct job **link = &queue->first;
  while (*link && *link != job) link = &(*link)->next;
  bool found = *link != NULL;
  if (found) *link = job->next;
  if (found && !*link) queue->end = link;
  (void)pthread_mutex_unlock(&jobs->lock);
  return found;
}

bool jobs_start(struct jobs *jobs, struct loop *loop) {
  pthread_attr_t attributes;
  pthread_t thread;
  *jobs = (struct jobs){.wake = {.ready = finished_ready, .owner = jobs, .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)}};
  jobs->finished.end = &jobs->finished.first;
  if (jobs->wake.fd < 0 || pthread_mutex_init(&jobs->lock, NULL) || pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES)) return false;
  bool ok = true;
  for (enum job_class class = 0; class < JOB_CLASSES; class++) {
    jobs->waiting[class].end = &jobs->waiting[class].first;
    jobs->crews[class] = (struct job_crew){jobs, class};
    ok = ok && pthread_cond_init(&jobs->more[class], NULL) == 0;
    for (int i = 0; ok && i < workers[class]; i++) ok = pthread_create(&thread, &attributes, worker, &jobs->crews[class]) == 0;
  }
  (void)pthread_attr_destroy(&attributes);
  watch_set(loop, &jobs->wake, EPOLLIN);
  return ok;
}
