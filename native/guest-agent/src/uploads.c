#define _GNU_SOURCE
#include "uploads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "files.h"
#include "status.h"
#include "wall-clock.h"

enum { MS = 1000000 };

/* Longest life of an upload that nothing arrives for, in milliseconds: 30 days. */
static const uint64_t longest_life = 30ull * 24 * 60 * 60 * 1000;

/* One piece of work for the file of an upload. */
struct upload_job {
  struct job job; /* first: a job is its upload's */
  struct upload *upload;
  struct ticket ticket;
  struct buffer request;
  struct buffer answer;
  int status;
};

static uint64_t now_ms(void) { return wall_clock_ns() / MS; }

/* --- on a worker --- */

/* Whether so much fits below the nearest directory that exists. File systems that count no blocks have no limit. */
static bool has_room(const struct replacement *file, uint64_t size) {
  char path[PATH_LIMIT + 1];
  struct statvfs fs;
  memcpy(path, file->path, sizeof path);
  for (char *slash; (slash = strrchr(path, '/'));) {
    slash[slash == path] = 0;
    if (statvfs(path, &fs) == 0) {
      uint64_t blocks = file->user.uid == 0 ? fs.f_bfree : fs.f_bavail;
      return fs.f_blocks == 0 || fs.f_frsize == 0 || size / fs.f_frsize <= blocks;
    }
    if (slash == path) break;
  }
  return true;
}

static int open_file(struct replacement *file, uint64_t size, struct reader *r, struct buffer *detail) {
  int status = files_begin(r, &file->user, file->path, detail);
  if (status == STATUS_OK && !replacement_read(file, r)) status = fail_with(detail, STATUS_BAD_REQUEST, "UPLOAD_CREATE does not parse");
  if (status == STATUS_OK) status = replacement_judge(file, detail);
  if (status == STATUS_OK && !has_room(file, size)) status = ENOSPC;
  if (status == STATUS_OK) status = replacement_open(file);
  user_restore();
  return status;
}

static void work_open(struct job *job) {
  struct upload_job *j = (struct upload_job *)job;
  struct reader r = {buffer_data(&j->request), buffer_length(&j->request), false};
  j->status = open_file(&j->upload->file, j->upload->size, &r, &j->answer);
}

static void work_close(struct job *job) { replacement_close(&((struct upload_job *)job)->upload->file); }

/* --- in the loop --- */

static void finish_job(struct upload_job *j) {
  buffer_free(&j->request);
  buffer_free(&j->answer);
  free(j);
}

static void closed(struct job *job) {
  struct upload_job *j = (struct upload_job *)job;
  free(j->upload);
  finish_job(j);
}

static void close_file(struct upload *upload) {
  struct upload_job *j = calloc(1, sizeof *j);
  if (!j) {
    replacement_close(&upload->file);
    free(upload);
    return;
  }
  *j = (struct upload_job){.job = {.work = work_close, .done = closed}, .upload = upload};
  job_submit(upload->uploads->jobs, JOB_FILES, &j->job);
}

/* Sets the timer for the upload that expires next. By the wall clock: a day is one also for a capsule that was paused in between. */
static void set_timer(struct uploads *uploads) {
  struct itimerspec when = {0};
  uint64_t next = UINT64_MAX;
  for (const struct upload *u = uploads->first; u; u = u->next)
    if (u->opened && !u->busy && u->expires < next) next = u->expires;
  if (next != UINT64_MAX) when.it_value = (struct timespec){.tv_sec = (time_t)(next / 1000), .tv_nsec = (long)(next % 1000) * MS + 1};
  (void)timerfd_settime(uploads->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void upload_release(struct upload *upload) {
  upload->busy = false;
  if (upload->dropped)
    close_file(upload);
  else
    set_timer(upload->uploads);
}

void upload_drop(struct upload *upload) {
  struct upload **link = &upload->uploads->first;
  while (*link != upload) link = &(*link)->next;
  *link = upload->next;
  upload->uploads->count--;
  upload->dropped = true;
  if (!upload->busy) close_file(upload);
}

static void timer_ready(void *owner, uint32_t events) {
  struct uploads *uploads = owner;
  uint64_t count;
  (void)events;
  ssize_t ignored = read(uploads->timer.fd, &count, sizeof count);
  (void)ignored;
  uint64_t now = now_ms();
  for (struct upload *u = uploads->first, *next; u; u = next) {
    next = u->next;
    if (u->opened && !u->busy && u->expires <= now) upload_drop(u);
  }
  set_timer(uploads);
}

bool uploads_open(struct uploads *uploads) {
  uploads->timer = (struct watch){.ready = timer_ready, .owner = uploads, .fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)};
  watch_set(uploads->loop, &uploads->timer, EPOLLIN);
  return uploads->timer.fd >= 0;
}

void uploads_drop_all(struct uploads *uploads) {
  while (uploads->first) upload_drop(uploads->first);
  set_timer(uploads);
}

void upload_touch(struct upload *upload) { upload->expires = now_ms() + upload->lifetime; }

uint64_t upload_left(const struct upload *upload) {
  uint64_t now = now_ms();
  return upload->expires > now ? upload->expires - now : 0;
}

void upload_describe(const struct upload *upload, struct buffer *body) {
  write_text(body, upload->file.path);
  write_u64(body, upload->size);
  write_u64(body, upload->offset);
  write_u64(body, upload_left(upload));
}

static struct upload *find(const struct uploads *uploads, struct view id) {
  for (struct upload *u = uploads->first; u; u = u->next)
    if (strlen(u->id) == id.length && memcmp(u->id, id.bytes, id.length) == 0) return u;
  return NULL;
}

struct upload *upload_find(struct uploads *uploads, struct reader *r) {
  struct view id = read_bytes(r);
  struct upload *upload = r->failed ? NULL : find(uploads, id);
  return upload && upload->opened ? upload : NULL;
}

static void was_opened(struct job *job) {
  struct upload_job *j = (struct upload_job *)job;
  struct upload *upload = j->upload;
  upload->busy = false;
  if (j->status == STATUS_OK && !upload->dropped) {
    upload->opened = true;
    upload_touch(upload);
    set_timer(upload->uploads);
    upload_describe(upload, &j->answer);
  } else if (!upload->dropped) {
    upload_drop(upload);
  } else {
    if (j->status == STATUS_OK) j->status = ECANCELED;
    close_file(upload);
  }
  request_answer(&j->ticket, j->status, &j->answer);
  finish_job(j);
}

int request_upload_create(struct uploads *uploads, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct view id = read_bytes(r);
  uint64_t size = read_u64(r);
  uint64_t lifetime = read_u64(r);
  if (r->failed || id.length == 0 || id.length > UPLOAD_ID || memchr(id.bytes, 0, id.length)) return fail_with(body, STATUS_BAD_REQUEST, "not an upload id");
  if (size > INT64_MAX || lifetime == 0 || lifetime > longest_life) return fail_with(body, STATUS_BAD_REQUEST, "size or lifetime is out of bounds");
  if (find(uploads, id)) return fail_with(body, STATUS_BAD_REQUEST, "the upload id is in use");
  if (uploads->count >= UPLOAD_LIMIT) return fail_with(body, STATUS_BUSY, "too many uploads");
  struct upload *upload = calloc(1, sizeof *upload);
  struct upload_job *j = calloc(1, sizeof *j);
  if (!upload || !j || !buffer_append(&j->request, r->at, r->left)) {
    free(upload);
    free(j);
    return ENOMEM;
  }
  memcpy(upload->id, id.bytes, id.length);
  upload->uploads = uploads;
  upload->file.fd = -1;
  upload->size = size;
  upload->lifetime = lifetime;
  upload->busy = true;
  upload->next = uploads->first;
  uploads->first = upload;
  uploads->count++;
  j->job = (struct job){.work = work_open, .done = was_opened};
  j->upload = upload;
  j->ticket = *ticket;
  job_submit(uploads->jobs, JOB_FILES, &j->job);
  return STATUS_LATER;
}

int request_upload_state(struct uploads *uploads, struct reader *r, struct buffer *body) {
  const struct upload *upload = upload_find(uploads, r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "UPLOAD_STATE does not parse");
  if (!upload) return STATUS_UNKNOWN_HANDLE;
  upload_describe(upload, body);
  return STATUS_OK;
}

int request_upload_drop(struct uploads *uploads, struct reader *r, struct buffer *body) {
  struct upload *upload = upload_find(uploads, r);
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "UPLOAD_DROP does not parse");
  if (!upload) return STATUS_UNKNOWN_HANDLE;
  upload_drop(upload);
  set_timer(uploads);
  return STATUS_OK;
}
