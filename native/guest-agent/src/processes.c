#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "process-io.h"
#include "process-signal.h"
#include "process-streams.h"
#include "spawn.h"
#include "status.h"

enum { PROCESS_LIMIT = 4096, FIRST_RING = 4096 };
enum { RECORD_TERMINAL = 1, RECORD_INPUT_ENDED = 2 };

static struct process *find(const struct processes *processes, uint32_t handle) {
  struct stream *stream = stream_find(processes->streams, handle);
  return stream && stream->kind == &process_streams ? STREAM_OWNER(stream, struct process, stream) : NULL;
}

static void release(struct process *process) {
  struct processes *processes = process->processes;
  struct process **link = &processes->first;
  while (*link != process) link = &(*link)->next;
  *link = process->next;
  processes->count--;
  process_close(process);
  cgroup_release(processes->cgroups, process->cgroup);
  buffer_free(&process->label);
  free(process);
}

/* Frees a process that the host has forgotten once nothing is left of it. */
static void retire(struct process *process) {
  /* Descendants may hold its pipes: what they write is read and thrown away, so that they neither block nor die of it. */
  if (process->forgotten && process->exited && process->outputs[0].ended && process->outputs[1].ended) release(process);
}

static void source_ready(struct output *out, uint32_t events) {
  struct process *process = out->process;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) (void)process_read(out);
  if (events & EPOLLOUT) process_write_input(process);
  process_settle(process);
  process_rewatch(process);
  retire(process);
}

static void output_ready(void *owner, uint32_t events) { source_ready(owner, events); }

static void master_ready(void *owner, uint32_t events) {
  struct process *process = owner;
  source_ready(&process->outputs[0], events);
}

static void input_ready(void *owner, uint32_t events) {
  struct process *process = owner;
  (void)events;
  process_write_input(process);
  process_rewatch(process);
}

static struct process *create(struct processes *processes, const struct spawn *spawn) {
  struct process *process = calloc(1, sizeof *process);
  if (!process) return NULL;
  process->processes = processes;
  process->stream = (struct stream){.kind = &process_streams, .handle = spawn->handle, .lane = spawn->terminal || spawn->on_interactive ? LANE_INTERACTIVE : LANE_BULK};
  process->terminal = spawn->terminal;
  process->drop_oldest = spawn->drop_oldest;
  process->master = (struct watch){.ready = master_ready, .owner = process, .fd = -1};
  process->input.stream.id = stream_id(spawn->handle, STREAM_INPUT);
  process->input.pipe = (struct watch){.ready = input_ready, .owner = process, .fd = -1};
  process->input.end = UINT64_MAX;
  process->input.capacity = INPUT_CAPACITY;
  process->rest = (struct rest){.over = process_rested, .owner = process};
  for (uint32_t i = 0; i < OUTPUTS; i++) {
    struct output *out = &process->outputs[i];
    out->process = process;
    out->stream.id = stream_id(spawn->handle, STREAM_OUTPUT + i);
    out->pipe = (struct watch){.ready = output_ready, .owner = out, .fd = -1};
    out->ended = true;
    if (i > 0 && spawn->terminal) continue;
    out->most = spawn->ring_bytes;
    if (!ring_open(&out->ring, FIRST_RING)) {
      ring_close(&process->outputs[0].ring);
      free(process);
      return NULL;
    }
  }
  return process;
}

static void discard(struct process *process) {
  for (int i = 0; i < OUTPUTS; i++) ring_close(&process->outputs[i].ring);
  free(process);
}

/* The process runs: its descriptors are watched, and the host that asked takes a ringful at once; more when it sends a window. */
static void begin(struct process *process, const struct spawned *spawned) {
  struct processes *processes = process->processes;
  process->pid = spawned->pid;
  process->start_time = spawned->start_time;
  process->cgroup = spawned->cgroup;
  process->master.fd = spawned->master;
  process->input.pipe.fd = spawned->input;
  process->input.closed = spawned->input < 0 && !process->terminal;
  for (int i = 0; i < OUTPUTS; i++) {
    struct output *out = &process->outputs[i];
    out->pipe.fd = spawned->output[i];
    out->ended = spawned->output[i] < 0;
    out->stream.attached = true;
    out->stream.limit = out->most;
    out->stream.end_due = true;
    processes->ring_bytes += out->ring.capacity;
  }
  if (process->terminal) process->outputs[0].ended = false;
  process->next = processes->first;
  processes->first = process;
  processes->count++;
  stream_add(processes->streams, &process->stream);
  process_rewatch(process);
}

static int answer_start(const struct process *process, struct buffer *body) {
  write_u32(body, (uint32_t)process->pid);
  write_u64(body, process->start_time);
  write_u64(body, process->input.closed ? 0 : INPUT_CAPACITY);
  return STATUS_OK;
}

static int start(struct processes *processes, struct spawn *spawn, struct buffer *body) {
  struct spawned spawned;
  int status = stream_check_handle(processes->streams, spawn->handle, body);
  if (status != STATUS_OK) return status;
  if (processes->count >= PROCESS_LIMIT) return fail_with(body, STATUS_BUSY, "too many processes");
  struct process *process = create(processes, spawn);
  if (!process) return fail_with(body, ENOMEM, "out of memory");
  status = spawn_run(processes->cgroups, processes->defaults, spawn, &spawned, body);
  if (status != STATUS_OK) {
    discard(process);
    return status;
  }
  process->label = spawn->label;
  spawn->label = (struct buffer){0};
  begin(process, &spawned);
  return answer_start(process, body);
}

int request_start(struct processes *processes, struct reader *r, struct buffer *body) {
  struct spawn spawn = {0};
  int status = spawn_decode(&spawn, r, body);
  const struct process *known = status == STATUS_OK ? find(processes, spawn.handle) : NULL;
  if (known)
    status = answer_start(known, body);
  else if (status == STATUS_OK)
    status = start(processes, &spawn, body);
  spawn_free(&spawn);
  return status;
}

int request_wait(struct processes *processes, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct process *process = find(processes, read_u32(r));
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "WAIT does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  if (request_pending(&process->waiter)) return fail_with(body, STATUS_BUSY, "another WAIT is under way");
  process->waiter = *ticket;
  process->drained = false;
  process_settle(process);
  return STATUS_LATER;
}

int request_signal(struct processes *processes, struct reader *r, struct buffer *body) {
  struct process *process = find(processes, read_u32(r));
  uint32_t number = read_u32(r);
  uint32_t scope = read_u32(r);
  if (!read_finished(r) || number > 64 || scope > SIGNAL_TREE) return fail_with(body, STATUS_BAD_REQUEST, "SIGNAL does not parse");
  return process ? process_signal(process, (int)number, (enum signal_scope)scope) : STATUS_UNKNOWN_HANDLE;
}

int request_resize(struct processes *processes, struct reader *r, struct buffer *body) {
  struct process *process = find(processes, read_u32(r));
  struct winsize size = {.ws_col = read_u16(r)};
  size.ws_row = read_u16(r);
  if (!read_finished(r) || size.ws_col == 0 || size.ws_row == 0) return fail_with(body, STATUS_BAD_REQUEST, "RESIZE does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  if (!process->terminal) return ENOTTY;
  if (process->master.fd >= 0 && ioctl(process->master.fd, TIOCSWINSZ, &size)) return errno;
  return STATUS_OK;
}

int request_forget(struct processes *processes, struct reader *r, struct buffer *body) {
  struct process *process = find(processes, read_u32(r));
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "FORGET does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  process->forgotten = true;
  stream_remove(processes->streams, &process->stream);
  process->drop_oldest = true;
  process_rewatch(process);
  retire(process);
  return STATUS_OK;
}

int request_overflow(struct processes *processes, struct reader *r, struct buffer *body) {
  struct process *process = find(processes, read_u32(r));
  uint8_t mode = read_u8(r);
  if (!read_finished(r) || mode > 1) return fail_with(body, STATUS_BAD_REQUEST, "OVERFLOW does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  process->drop_oldest = mode == 1;
  process_rewatch(process);
  return STATUS_OK;
}

static void write_record(struct buffer *body, const struct process *p) {
  struct winsize size = {0};
  if (p->master.fd >= 0) (void)ioctl(p->master.fd, TIOCGWINSZ, &size);
  write_u32(body, p->stream.handle);
  write_u32(body, (uint32_t)p->pid);
  write_u64(body, p->start_time);
  write_u8(body, p->exited);
  write_u8(body, (uint8_t)((p->terminal ? RECORD_TERMINAL : 0) | (p->input.closed || p->input.end != UINT64_MAX ? RECORD_INPUT_ENDED : 0)));
  write_u16(body, size.ws_col);
  write_u16(body, size.ws_row);
  write_u32(body, p->exit_code);
  write_u32(body, p->exit_signal);
  for (int i = 0; i < OUTPUTS; i++) {
    write_u64(body, p->outputs[i].ring.start);
    write_u64(body, p->outputs[i].ring.end);
    write_u8(body, p->outputs[i].ended);
  }
  write_u64(body, p->input.stream.received);
  write_bytes(body, buffer_data(&p->label), buffer_length(&p->label));
}

int request_list(struct processes *processes, struct reader *r, struct buffer *body) {
  uint32_t count = 0;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "LIST does not parse");
  for (struct process *p = processes->first; p; p = p->next) count += !p->forgotten;
  write_u32(body, count);
  for (struct process *p = processes->first; p; p = p->next)
    if (!p->forgotten) write_record(body, p);
  return STATUS_OK;
}

bool processes_collect(struct processes *processes, pid_t pid, int wait_status, const struct rusage *usage) {
  struct process *process = processes->first;
  while (process && (process->pid != pid || process->exited)) process = process->next;
  if (!process) return false;
  process->exited = true;
  process->exit_code = WIFEXITED(wait_status) ? (uint32_t)WEXITSTATUS(wait_status) : 0;
  process->exit_signal = WIFSIGNALED(wait_status) ? (uint32_t)WTERMSIG(wait_status) : 0;
  process->user_us = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
  process->system_us = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
  process->peak_kib = (uint64_t)usage->ru_maxrss;
  process_drain(process);
  process_settle(process);
  process_rewatch(process);
  process->tidy_due = processes->tidy_due = true;
  retire(process);
  return true;
}

void processes_tidy(struct processes *processes) {
  for (struct process *p = processes->tidy_due ? processes->first : NULL; p; p = p->next) {
    if (p->tidy_due && cgroup_remove(processes->cgroups, p->cgroup)) p->cgroup = 0;
    p->tidy_due = false;
  }
  processes->tidy_due = false;
  cgroup_make_spare(processes->cgroups);
}
