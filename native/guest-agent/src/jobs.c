#define _GNU_SOURCE
#include "jobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Deep trees are walked by recursion with a path in every frame; untouched stack costs nothing. */
enum { STACK_BYTES = 8 << 20, NICENESS = 5 };

static const int workers[JOB_CLASSES] = {[JOB_PART] = 2, [JOB_FILES] = 4, [JOB_MACHINE] = 2};

struct queue {
  struct job *first;
  struct job **end;
};

static struct {
  pthread_mutex_t lock;
  pthread_cond_t more[JOB_CLASSES];
  struct queue waiting[JOB_CLASSES];
  struct queue finished;
  int wake;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = -1};

static void put(struct queue *queue, struct job *job) {
  job->next = NULL;
  *queue->end = job;
  queue->end = &job->next;
}

static struct job *take(struct queue *queue) {
  struct job *job = queue->first;
  if (!job) return NULL;
  queue->first = job->next;
  if (!queue->first) queue->end = &queue->first;
  return job;
}

static _Noreturn void *worker(void *argument) {
  size_t class = (size_t)argument;
  /* On Linux a thread has its own niceness: work gives way to keystrokes. */
  (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
  for (;;) {
    (void)pthread_mutex_lock(&pool.lock);
    struct job *job;
    while (!(job = take(&pool.waiting[class]))) (void)pthread_cond_wait(&pool.more[class], &pool.lock);
    (void)pthread_mutex_unlock(&pool.lock);
    job->work(job);
    (void)pthread_mutex_lock(&pool.lock);
    put(&pool.finished, job);
    (void)pthread_mutex_unlock(&pool.lock);
    uint64_t one = 1;
    ssize_t ignored = write(pool.wake, &one, sizeof one);
    (void)ignored;
  }
}

static void finished_ready(struct agent *agent, void *owner, uint32_t events) {
  uint64_t count;
  (void)owner;
  (void)events;
  ssize_t ignored = read(pool.wake, &count, sizeof count);
  (void)ignored;
  for (;;) {
    (void)pthread_mutex_lock(&pool.lock);
    struct job *job = take(&pool.finished);
    (void)pthread_mutex_unlock(&pool.lock);
    if (!job) return;
    job->done(agent, job);
  }
}

void job_submit(enum job_class class, struct job *job) {
  (void)pthread_mutex_lock(&pool.lock);
  put(&pool.waiting[class], job);
  (void)pthread_cond_signal(&pool.more[class]);
  (void)pthread_mutex_unlock(&pool.lock);
}

bool jobs_start(struct agent *agent) {
  static struct watch watch = {.ready = finished_ready};
  pthread_attr_t attributes;
  pthread_t thread;
  pool.finished.end = &pool.finished.first;
  pool.wake = watch.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (pool.wake < 0 || pthread_attr_init(&attributes) || pthread_attr_setstacksize(&attributes, STACK_BYTES)) return false;
  bool ok = true;
  for (size_t class = 0; class < JOB_CLASSES; class++) {
    pool.waiting[class].end = &pool.waiting[class].first;
    ok = ok && pthread_cond_init(&pool.more[class], NULL) == 0;
    for (int i = 0; ok && i < workers[class]; i++) ok = pthread_create(&thread, &attributes, worker, (void *)class) == 0;
  }
  (void)pthread_attr_destroy(&attributes);
  watch_set(agent, &watch, EPOLLIN);
  return ok;
}
