#define _GNU_SOURCE
#include "process-io.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "status.h"

enum {
  DRAIN_READS = 64,
  RING_BUDGET = 64 << 20,
  SMALL_RING = 16384,
  PATIENCE_MS = 1000,
  WIDE_PIPES = 64,
  TERMINAL_PIECE = 4095, /* what the line discipline of a terminal holds, and a read returns, at most */
};

static struct watch *source_of(struct output *out) { return out->process->terminal ? &out->process->master : &out->pipe; }

/* A pipe that is in constant use is given more room, while not many have it; true when it has it from now on. */
static bool widen(struct process *process, struct pace *pace, int pipe) {
  if (process->processes->wide_pipes >= WIDE_PIPES || !pace_widen(pace, pipe)) return false;
  process->processes->wide_pipes++;
  return true;
}

static void close_watched(struct process *process, struct watch *watch) {
  if (watch->fd < 0) return;
  watch_set(process->processes->loop, watch, 0);
  close(watch->fd);
  watch->fd = -1;
}

static void close_pipe(struct process *process, struct watch *watch, struct pace *pace) {
  process->processes->wide_pipes -= pace->widened;
  pace->widened = false;
  close_watched(process, watch);
}

/* Rings are as large as what they hold, and small ones once all together are large. */
static bool may_grow(const struct output *out) {
  return out->ring.capacity < out->most && (out->process->processes->ring_bytes < RING_BUDGET || out->ring.capacity < SMALL_RING);
}

static void resize(struct output *out, size_t capacity) {
  size_t before = out->ring.capacity;
  if (ring_resize(&out->ring, capacity)) out->process->processes->ring_bytes += capacity - before;
}

static void finish_output(struct output *out) {
  struct process *process = out->process;
  if (out->ended) return;
  close_pipe(process, source_of(out), &out->pace);
  out->ended = true;
  resize(out, (size_t)(out->ring.end - out->ring.start) + 1);
  if (!process->terminal) return;
  /* The process may live on: a host that waits for room to send more must not wait for its exit. */
  process->input.stream.window_due = true;
  process_close_input(process);
}

/* In drop mode a process waits for a host that takes its output or is just connecting, but not for one that is away or stands still. */
static bool may_drop(const struct output *out) { return out->process->drop_oldest && (out->impatient || out->process->forgotten); }

/* Whether there is, or can be made, room to read into: free, of what the host has, or of what may be dropped. */
static bool can_read(const struct output *out) {
  return ring_free(&out->ring) > 0 || out->acknowledged > out->ring.start || may_drop(out) || may_grow(out);
}

/* Lets the ring grow, or else forgets as little as gives room for a good read. */
static void make_room(struct output *out) {
  struct ring *ring = &out->ring;
  while (ring_free(ring) < ring->capacity / 4 + 1 && may_grow(out)) {
    size_t before = ring->capacity;
    resize(out, before * 2 < out->most ? before * 2 : out->most);
    if (ring->capacity == before) break;
  }
  if (ring_free(ring) >= ring->capacity / 4) return;
  uint64_t spare = ring->end - ring->capacity / 4 * 3;
  ring_release(ring, may_drop(out) || spare < out->acknowledged ? spare : out->acknowledged);
}

static uint64_t now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void begin_rest(struct process *process, struct pace *pace) {
  pace->resting = true;
  rest_begin(&process->processes->rests, &process->rest);
}

void process_rested(void *owner) {
  struct process *process = owner;
  for (int i = 0; i < OUTPUTS; i++) process->outputs[i].pace.resting = false;
  process->input.pace.resting = false;
  process_rewatch(process);
}

void process_hurry(struct process *process) {
  for (int i = 0; i < OUTPUTS; i++) pace_hurry(&process->outputs[i].pace);
}

static void note_read(struct output *out, size_t length, size_t room) {
  struct process *process = out->process;
  /* What is left of a process that has exited is read in one go. */
  if (process->exited) return;
  /* A terminal has a fixed size, and a program that has filled it waits. */
  if (process->terminal && room > TERMINAL_PIECE) room = TERMINAL_PIECE;
  if (!pace_after_read(&out->pace, length, room, now_ns())) return;
  if (!process->terminal) (void)widen(process, &out->pace, out->pipe.fd);
  begin_rest(process, &out->pace);
}

bool process_read(struct output *out) {
  if (out->ended) return false;
  make_room(out);
  size_t room = 0;
  uint8_t *at = ring_room(&out->ring, &room);
  if (room == 0) return false;
  ssize_t n = read(source_of(out)->fd, at, room);
  if (n > 0) {
    ring_grow(&out->ring, (size_t)n);
    note_read(out, (size_t)n, room);
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  /* A terminal's master reads EIO once its last slave is closed. */
  finish_output(out);
  return false;
}

static void set_patience(struct processes *processes, int ms);

/* Every process that waits now has waited long enough. */
static void patience_over(void *owner, uint32_t events) {
  struct processes *processes = owner;
  (void)events;
  set_patience(processes, 0);
  for (struct process *p = processes->first; p; p = p->next) {
    if (!p->drop_oldest) continue;
    for (int i = 0; i < OUTPUTS; i++)
      if (!p->outputs[i].ended && !can_read(&p->outputs[i])) p->outputs[i].impatient = true;
    process_rewatch(p);
  }
}

/* One timer for all: 0 stops it, and one that runs is left to run. */
static void set_patience(struct processes *processes, int ms) {
  struct watch *timer = &processes->patience;
  if (processes->patience_runs == (ms > 0)) return;
  processes->patience_runs = ms > 0;
  if (!timer->ready) {
    *timer = (struct watch){.ready = patience_over, .owner = processes, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    watch_set(processes->loop, timer, EPOLLIN);
  }
  struct itimerspec when = {.it_value = {ms / 1000, ms % 1000 * 1000000L}};
  (void)timerfd_settime(timer->fd, 0, &when, NULL);
}

void process_close_input(struct process *process) {
  if (process->input.closed) return;
  process->input.closed = true;
  buffer_free(&process->input.pending);
  close_pipe(process, &process->input.pipe, &process->input.pace);
}

/* The pipe is full. One whose reader has read much gets room for more; false for any other, and once it has. */
static bool widen_input(struct process *process) {
  struct input *input = &process->input;
  uint64_t written = input->stream.received - buffer_length(&input->pending);
  if (written < WIDE_INPUT || !widen(process, &input->pace, input->pipe.fd)) return false;
  input->capacity = WIDE_INPUT;
  return true;
}

void process_write_input(struct process *process) {
  struct input *input = &process->input;
  int fd = process->terminal ? process->master.fd : input->pipe.fd;
  if (fd < 0 || input->pace.resting) return;
  while (buffer_length(&input->pending) > 0) {
    ssize_t n = write(fd, buffer_data(&input->pending), buffer_length(&input->pending));
    if (n < 0 && errno == EAGAIN && !process->terminal && widen_input(process)) continue;
    if (n < 0 && errno == EAGAIN && !process->terminal) begin_rest(process, &input->pace);
    /* What a terminal does not take is written when it does, or is lost with the terminal. */
    if (n < 0 && (process->terminal || errno == EAGAIN || errno == EINTR)) return;
    input->stream.window_due = true;
    if (n < 0) {
      process_close_input(process);
      return;
    }
    buffer_consume(&input->pending, (size_t)n);
  }
  if (!process->terminal && input->stream.received >= input->end) process_close_input(process);
}

void process_rewatch(struct process *process) {
  struct loop *loop = process->processes->loop;
  bool pending = buffer_length(&process->input.pending) > 0;
  for (int i = 0; i < OUTPUTS; i++) {
    struct output *out = &process->outputs[i];
    if (out->ended) continue;
    uint32_t events = can_read(out) ? EPOLLIN : 0;
    if (events == 0 && process->drop_oldest) set_patience(process->processes, PATIENCE_MS);
    if (out->pace.resting) events = 0;
    if (process->terminal && pending) events |= EPOLLOUT;
    watch_set(loop, source_of(out), events);
  }
  if (process->input.pipe.fd >= 0) watch_set(loop, &process->input.pipe, pending && !process->input.pace.resting ? EPOLLOUT : 0);
}

void process_drain(struct process *process) {
  for (int i = 0; i < OUTPUTS; i++) {
    struct output *out = &process->outputs[i];
    int waiting = 0;
    out->drain_to = out->ring.end;
    if (out->ended) continue;
    /* What is in the pipe now was written before the exit; later bytes come from others that hold the pipe. */
    if (!process->terminal && ioctl(out->pipe.fd, FIONREAD, &waiting) == 0 && waiting > 0) out->drain_to += (uint64_t)waiting;
    if (process->terminal) out->drain_to = UINT64_MAX;
    while (out->ring.end < out->drain_to && process_read(out)) continue;
  }
}

static bool drained(struct output *out) {
  if (out->ended || out->ring.end >= out->drain_to) return true;
  if (!out->process->terminal) return false;
  if (!can_read(out)) return false;
  /* A terminal does not report how much is left: it is drained when a read finds nothing, or when others keep it busy. */
  for (int reads = 0; reads < DRAIN_READS && process_read(out); reads++) continue;
  return out->ended || can_read(out);
}

void process_settle(struct process *process) {
  if (!process->exited || process->drained) return;
  bool done = true;
  for (int i = 0; i < OUTPUTS; i++)
    if (!drained(&process->outputs[i])) done = false;
  if (!done) return;
  for (int i = 0; i < OUTPUTS; i++)
    if (process->outputs[i].drain_to > process->outputs[i].ring.end) process->outputs[i].drain_to = process->outputs[i].ring.end;
  process->drained = true;
  if (!request_pending(&process->waiter)) return;
  struct buffer body = {0};
  write_u32(&body, process->exit_code);
  write_u32(&body, process->exit_signal);
  for (int i = 0; i < OUTPUTS; i++) write_u64(&body, process->outputs[i].drain_to);
  write_u64(&body, process->user_us);
  write_u64(&body, process->system_us);
  write_u64(&body, process->peak_kib);
  request_answer(&process->waiter, STATUS_OK, &body);
}

void process_close(struct process *process) {
  rest_cancel(&process->processes->rests, &process->rest);
  close_watched(process, &process->master);
  for (int i = 0; i < OUTPUTS; i++) {
    struct output *out = &process->outputs[i];
    close_pipe(process, &out->pipe, &out->pace);
    process->processes->ring_bytes -= out->ring.capacity;
    ring_close(&out->ring);
  }
  process_close_input(process);
  buffer_free(&process->input.pending);
}
