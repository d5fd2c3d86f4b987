#define _GNU_SOURCE
#include "process-io.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { DRAIN_READS = 64, RING_BUDGET = 64 << 20, SMALL_RING = 16384, PATIENCE_MS = 1000 };

/* Rings are as large as what they hold, and small ones once all together are large. */
static bool may_grow(const struct agent *agent, const struct output *out) {
  return out->ring.capacity < out->most && (agent->ring_bytes < RING_BUDGET || out->ring.capacity < SMALL_RING);
}

static void resize(struct agent *agent, struct output *out, size_t capacity) {
  size_t before = out->ring.capacity;
  if (ring_resize(&out->ring, capacity)) agent->ring_bytes += capacity - before;
}

static void finish_output(struct agent *agent, struct output *out) {
  if (out->ended) return;
  watch_set(agent, &out->watch, 0);
  close(out->watch.fd);
  out->watch.fd = -1;
  out->ended = true;
  out->end_due = true;
  resize(agent, out, (size_t)(out->ring.end - out->ring.start) + 1);
  if (out->process->terminal) {
    out->process->input_closed = true;
    buffer_free(&out->process->input);
  }
}

/* In drop mode a process waits for a host that takes its output or is just connecting, but not for one that is away or stands still. */
static bool may_drop(const struct output *out) { return out->process->drop_oldest && (out->impatient || out->process->forgotten); }

/* Whether there is, or can be made, room to read into: free, of what the host has, or of what may be dropped. */
static bool can_read(const struct agent *agent, const struct output *out) {
  return ring_free(&out->ring) > 0 || out->acknowledged > out->ring.start || may_drop(out) || may_grow(agent, out);
}

/* Lets the ring grow, or else forgets as little as gives room for a good read. */
static void make_room(struct agent *agent, struct output *out) {
  struct ring *ring = &out->ring;
  while (ring_free(ring) < ring->capacity / 4 + 1 && may_grow(agent, out)) {
    size_t before = ring->capacity;
    resize(agent, out, before * 2 < out->most ? before * 2 : out->most);
    if (ring->capacity == before) break;
  }
  if (ring_free(ring) >= ring->capacity / 4) return;
  uint64_t spare = ring->end - ring->capacity / 4 * 3;
  ring_release(ring, may_drop(out) || spare < out->acknowledged ? spare : out->acknowledged);
}

/* Reads once; false when there is nothing to read now, no room, or nothing will ever come. */
static bool read_once(struct agent *agent, struct output *out) {
  if (out->ended) return false;
  make_room(agent, out);
  size_t room = 0;
  uint8_t *at = ring_room(&out->ring, &room);
  if (room == 0) return false;
  ssize_t n = read(out->watch.fd, at, room);
  if (n > 0) {
    ring_grow(&out->ring, (size_t)n);
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  /* A terminal's master reads EIO once its last slave is closed. */
  finish_output(agent, out);
  return false;
}

static void set_patience(struct agent *agent, int ms);

/* Everybody who waits now has waited long enough. */
static void patience_over(struct agent *agent, void *owner, uint32_t events) {
  (void)owner;
  (void)events;
  set_patience(agent, 0);
  for (struct process *p = agent->processes; p; p = p->next) {
    if (!p->drop_oldest) continue;
    for (int i = 0; i < 2; i++)
      if (p->outputs[i].watch.fd >= 0 && !can_read(agent, &p->outputs[i])) p->outputs[i].impatient = true;
    process_rewatch(agent, p);
  }
}

/* One timer for all: 0 stops it, and one that runs is left to run. */
static void set_patience(struct agent *agent, int ms) {
  static struct watch timer = {.ready = patience_over, .fd = -1};
  static bool running;
  if (running == (ms > 0)) return;
  running = ms > 0;
  if (timer.fd < 0) {
    timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    watch_set(agent, &timer, EPOLLIN);
  }
  struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};
  (void)timerfd_settime(timer.fd, 0, &when, NULL);
}

static void write_terminal_input(struct process *process) {
  struct output *out = &process->outputs[0];
  while (out->watch.fd >= 0 && buffer_length(&process->input) > 0) {
    ssize_t n = write(out->watch.fd, buffer_data(&process->input), buffer_length(&process->input));
    if (n <= 0) return;
    buffer_consume(&process->input, (size_t)n);
    process->input_window_due = true;
  }
}

void output_ready(struct agent *agent, void *owner, uint32_t events) {
  struct output *out = owner;
  struct process *process = out->process;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) (void)read_once(agent, out);
  if (events & EPOLLOUT && process->terminal) write_terminal_input(process);
  process_settle(agent, process);
  process_rewatch(agent, process);
  process_retire(agent, process);
}

void process_close_input(struct agent *agent, struct process *process) {
  if (process->input_closed) return;
  process->input_closed = true;
  buffer_free(&process->input);
  if (process->terminal || process->input_watch.fd < 0) return;
  watch_set(agent, &process->input_watch, 0);
  close(process->input_watch.fd);
  process->input_watch.fd = -1;
}

void input_ready(struct agent *agent, void *owner, uint32_t events) {
  struct process *process = owner;
  (void)events;
  while (process->input_watch.fd >= 0 && buffer_length(&process->input) > 0) {
    ssize_t n = write(process->input_watch.fd, buffer_data(&process->input), buffer_length(&process->input));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n < 0) {
      process_close_input(agent, process);
      process->input_window_due = true;
      return;
    }
    buffer_consume(&process->input, (size_t)n);
    process->input_window_due = true;
  }
  if (buffer_length(&process->input) == 0 && process->input_received >= process->input_end) process_close_input(agent, process);
  process_rewatch(agent, process);
}

void process_rewatch(struct agent *agent, struct process *process) {
  for (int i = 0; i < 2; i++) {
    struct output *out = &process->outputs[i];
    if (out->watch.fd < 0) continue;
    uint32_t events = can_read(agent, out) ? EPOLLIN : 0;
    if (events == 0 && process->drop_oldest) set_patience(agent, PATIENCE_MS);
    if (i == 0 && process->terminal && buffer_length(&process->input) > 0) events |= EPOLLOUT;
    watch_set(agent, &out->watch, events);
  }
  if (process->input_watch.fd >= 0) watch_set(agent, &process->input_watch, buffer_length(&process->input) > 0 ? EPOLLOUT : 0);
}

void process_drain(struct agent *agent, struct process *process) {
  for (int i = 0; i < 2; i++) {
    struct output *out = &process->outputs[i];
    int waiting = 0;
    out->drain_to = out->ring.end;
    if (out->ended) continue;
    /* What is in the pipe now was written before the exit; later bytes come from others that hold the pipe. */
    if (!process->terminal && ioctl(out->watch.fd, FIONREAD, &waiting) == 0 && waiting > 0) out->drain_to += (uint64_t)waiting;
    if (process->terminal) out->drain_to = UINT64_MAX;
    while (out->ring.end < out->drain_to && read_once(agent, out)) continue;
  }
}

static bool drained(struct agent *agent, struct output *out) {
  if (out->ended || out->ring.end >= out->drain_to) return true;
  if (!out->process->terminal) return false;
  if (!can_read(agent, out)) return false;
  /* A terminal says nothing of what is left: it is drained when a read finds nothing, or when others keep it busy. */
  for (int reads = 0; reads < DRAIN_READS && read_once(agent, out); reads++) continue;
  return out->ended || can_read(agent, out);
}

void process_settle(struct agent *agent, struct process *process) {
  if (!process->exited || process->drained) return;
  bool done = true;
  for (int i = 0; i < 2; i++) {
    struct output *out = &process->outputs[i];
    if (!drained(agent, out)) done = false;
  }
  if (!done) return;
  for (int i = 0; i < 2; i++)
    if (process->outputs[i].drain_to > process->outputs[i].ring.end) process->outputs[i].drain_to = process->outputs[i].ring.end;
  process->drained = true;
  if (process->waiter.id == 0) return;
  struct buffer body = {0};
  write_u32(&body, process->exit_code);
  write_u32(&body, process->exit_signal);
  write_u64(&body, process->outputs[0].drain_to);
  write_u64(&body, process->outputs[1].drain_to);
  write_u64(&body, process->user_us);
  write_u64(&body, process->system_us);
  write_u64(&body, process->peak_kib);
  struct ticket waiter = process->waiter;
  process->waiter = (struct ticket){0};
  lane_respond(agent, &waiter, STATUS_OK, &body);
}
