#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "hooks.h"
#include "process-io.h"
#include "process-signal.h"
#include "requests.h"
#include "spawn.h"

enum { PROCESS_LIMIT = 4096, DATA_PART = 65536, FIRST_RING = 4096 };
enum { RECORD_TERMINAL = 1, RECORD_INPUT_ENDED = 2 };

struct process *process_find(struct agent *agent, uint32_t handle) {
  for (struct process *p = agent->processes; p; p = p->next)
    if (p->handle == handle && !p->forgotten) return p;
  return NULL;
}

static void release(struct agent *agent, struct process *process) {
  struct process **link = &agent->processes;
  while (*link != process) link = &(*link)->next;
  *link = process->next;
  agent->process_count--;
  for (int i = 0; i < 2; i++) {
    struct output *out = &process->outputs[i];
    if (out->watch.fd >= 0) {
      watch_set(agent, &out->watch, 0);
      close(out->watch.fd);
    }
    agent->ring_bytes -= out->ring.capacity;
    ring_close(&out->ring);
  }
  process_close_input(agent, process);
  cgroup_release(process->cgroup);
  buffer_free(&process->label);
  free(process);
}

void process_retire(struct agent *agent, struct process *process) {
  /* Descendants may hold its pipes: what they write is read and thrown away, so that they neither block nor die of it. */
  if (process->forgotten && process->exited && process->outputs[0].ended && process->outputs[1].ended) release(agent, process);
}

static struct process *create(const struct spawn *spawn) {
  struct process *process = calloc(1, sizeof *process);
  if (!process) return NULL;
  process->handle = spawn->handle;
  process->terminal = spawn->terminal;
  process->drop_oldest = spawn->drop_oldest;
  process->lane = spawn->terminal || spawn->on_interactive ? 0 : 1;
  process->input_end = UINT64_MAX;
  process->input_watch = (struct watch){.ready = input_ready, .owner = process, .fd = -1};
  for (uint32_t i = 0; i < 2; i++) {
    struct output *out = &process->outputs[i];
    out->process = process;
    out->stream = spawn->handle * 4 + 1 + i;
    out->watch = (struct watch){.ready = output_ready, .owner = out, .fd = -1};
    out->ended = true;
    if (i == 1 && spawn->terminal) continue;
    out->most = spawn->ring_bytes;
    if (!ring_open(&out->ring, FIRST_RING)) {
      ring_close(&process->outputs[0].ring);
      free(process);
      return NULL;
    }
  }
  return process;
}

static int answer_start(const struct process *process, struct buffer *body) {
  write_u32(body, (uint32_t)process->pid);
  write_u64(body, process->start_time);
  write_u64(body, process->input_closed ? 0 : INPUT_CAPACITY);
  return STATUS_OK;
}

int request_start(struct agent *agent, struct reader *r, struct buffer *body) {
  struct spawn spawn = {0};
  int status = spawn_decode(&spawn, r, body);
  struct process *process = status == STATUS_OK ? process_find(agent, spawn.handle) : NULL;
  if (process) {
    spawn_free(&spawn);
    return answer_start(process, body);
  }
  if (status == STATUS_OK && agent->process_count >= PROCESS_LIMIT) status = fail_with(body, STATUS_BUSY, "too many processes");
  if (status == STATUS_OK) {
    process = create(&spawn);
    status = process ? STATUS_OK : fail_with(body, ENOMEM, "out of memory");
  }
  struct spawned spawned;
  if (status == STATUS_OK) {
    status = spawn_run(agent, &spawn, &spawned, body);
    if (status != STATUS_OK) {
      ring_close(&process->outputs[0].ring);
      ring_close(&process->outputs[1].ring);
      free(process);
    }
  }
  if (status == STATUS_OK) {
    process->pid = spawned.pid;
    process->start_time = spawned.start_time;
    process->cgroup = spawned.cgroup;
    process->label = spawn.label;
    memset(&spawn.label, 0, sizeof spawn.label);
    process->input_watch.fd = spawned.input;
    process->input_closed = spawned.input < 0 && !spawn.terminal;
    for (int i = 0; i < 2; i++) {
      process->outputs[i].watch.fd = spawned.output[i];
      process->outputs[i].ended = spawned.output[i] < 0;
      /* The host that asked takes a ringful at once; more when it says so. */
      process->outputs[i].attached = true;
      process->outputs[i].limit = process->outputs[i].most;
      process->outputs[i].end_due = true;
      agent->ring_bytes += process->outputs[i].ring.capacity;
    }
    process->next = agent->processes;
    agent->processes = process;
    agent->process_count++;
    process_rewatch(agent, process);
    (void)answer_start(process, body);
  }
  spawn_free(&spawn);
  return status;
}

int request_wait(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct process *process = process_find(agent, read_u32(r));
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "WAIT does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  if (process->waiter.id != 0) return fail_with(body, STATUS_BUSY, "somebody waits already");
  process->waiter = *ticket;
  process->drained = false;
  process_settle(agent, process);
  return STATUS_LATER;
}

int request_signal(struct agent *agent, struct reader *r, struct buffer *body) {
  struct process *process = process_find(agent, read_u32(r));
  uint32_t number = read_u32(r);
  uint32_t scope = read_u32(r);
  if (!read_finished(r) || number > 64 || scope > SIGNAL_TREE) return fail_with(body, STATUS_BAD_REQUEST, "SIGNAL does not parse");
  return process ? process_signal(process, (int)number, (enum signal_scope)scope) : STATUS_UNKNOWN_HANDLE;
}

int request_resize(struct agent *agent, struct reader *r, struct buffer *body) {
  struct process *process = process_find(agent, read_u32(r));
  struct winsize size = {.ws_col = read_u16(r)};
  size.ws_row = read_u16(r);
  if (!read_finished(r) || size.ws_col == 0 || size.ws_row == 0) return fail_with(body, STATUS_BAD_REQUEST, "RESIZE does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  if (!process->terminal) return ENOTTY;
  if (process->outputs[0].watch.fd >= 0 && ioctl(process->outputs[0].watch.fd, TIOCSWINSZ, &size)) return errno;
  return STATUS_OK;
}

int request_forget(struct agent *agent, struct reader *r, struct buffer *body) {
  struct process *process = process_find(agent, read_u32(r));
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "FORGET does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  process->forgotten = true;
  process->drop_oldest = true;
  process_rewatch(agent, process);
  process_retire(agent, process);
  return STATUS_OK;
}

int request_overflow(struct agent *agent, struct reader *r, struct buffer *body) {
  struct process *process = process_find(agent, read_u32(r));
  uint8_t mode = read_u8(r);
  if (!read_finished(r) || mode > 1) return fail_with(body, STATUS_BAD_REQUEST, "OVERFLOW does not parse");
  if (!process) return STATUS_UNKNOWN_HANDLE;
  process->drop_oldest = mode == 1;
  process_rewatch(agent, process);
  return STATUS_OK;
}

static void write_record(struct buffer *body, const struct process *p) {
  struct winsize size = {0};
  if (p->terminal && p->outputs[0].watch.fd >= 0) (void)ioctl(p->outputs[0].watch.fd, TIOCGWINSZ, &size);
  write_u32(body, p->handle);
  write_u32(body, (uint32_t)p->pid);
  write_u64(body, p->start_time);
  write_u8(body, p->exited);
  write_u8(body, (uint8_t)((p->terminal ? RECORD_TERMINAL : 0) | (p->input_closed || p->input_end != UINT64_MAX ? RECORD_INPUT_ENDED : 0)));
  write_u16(body, size.ws_col);
  write_u16(body, size.ws_row);
  write_u32(body, p->exit_code);
  write_u32(body, p->exit_signal);
  for (int i = 0; i < 2; i++) {
    write_u64(body, p->outputs[i].ring.start);
    write_u64(body, p->outputs[i].ring.end);
    write_u8(body, p->outputs[i].ended);
  }
  write_u64(body, p->input_received);
  write_bytes(body, p->label.bytes ? buffer_data(&p->label) : NULL, buffer_length(&p->label));
}

int request_list(struct agent *agent, struct reader *r, struct buffer *body) {
  uint32_t count = 0;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "LIST does not parse");
  for (struct process *p = agent->processes; p; p = p->next) count += !p->forgotten;
  write_u32(body, count);
  for (struct process *p = agent->processes; p; p = p->next)
    if (!p->forgotten) write_record(body, p);
  return STATUS_OK;
}

void processes_reap(struct agent *agent) {
  int wait_status;
  struct rusage usage;
  pid_t pid;
  while ((pid = wait4(-1, &wait_status, WNOHANG, &usage)) > 0) {
    struct process *process = agent->processes;
    while (process && (process->pid != pid || process->exited)) process = process->next;
    if (!process) {
      hooks_collect(agent, pid, wait_status);
      continue;
    }
    process->exited = true;
    process->exit_code = WIFEXITED(wait_status) ? (uint32_t)WEXITSTATUS(wait_status) : 0;
    process->exit_signal = WIFSIGNALED(wait_status) ? (uint32_t)WTERMSIG(wait_status) : 0;
    process->user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
    process->system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
    process->peak_kib = (uint64_t)usage.ru_maxrss;
    process_drain(agent, process);
    process_settle(agent, process);
    process_rewatch(agent, process);
    if (cgroup_remove(process->cgroup)) process->cgroup = 0;
    process_retire(agent, process);
  }
}

void processes_detach(struct agent *agent, int lane) {
  for (struct process *p = agent->processes; p; p = p->next)
    if (p->lane == lane)
      for (int i = 0; i < 2; i++) {
        p->outputs[i].attached = false;
        /* Whoever comes next says anew what it has. */
        p->outputs[i].acknowledged = p->outputs[i].ring.start;
      }
}

void processes_forget_waiters(struct agent *agent) {
  for (struct process *p = agent->processes; p; p = p->next) p->waiter = (struct ticket){0};
}

bool process_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit) {
  struct process *process = process_find(agent, stream / 4);
  if (!process) return false;
  uint32_t index = stream % 4;
  if (index == 0) {
    process->input_window_due = true;
    return true;
  }
  if (index > 2) return true;
  struct output *out = &process->outputs[index - 1];
  if (!out->ring.bytes) {
    out->attached = out->end_due = true;
    return true;
  }
  if (received > out->acknowledged) out->acknowledged = received < out->ring.end ? received : out->ring.end;
  if (!out->attached) out->sent = received <= out->ring.end ? received : out->ring.end;
  out->attached = true;
  out->impatient = false;
  out->limit = limit;
  out->end_due = out->ended;
  process_settle(agent, process);
  process_rewatch(agent, process);
  return true;
}

bool process_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct process *process = process_find(agent, stream / 4);
  if (!process || stream % 4 != 0) return process != NULL;
  process->input_window_due = true;
  if (offset > process->input_received) return true; /* a gap: the host resumes from the window it gets */
  uint64_t known = process->input_received - offset;
  if (known >= length) return true;
  bytes += known;
  length -= (size_t)known;
  size_t room = INPUT_CAPACITY - buffer_length(&process->input);
  if (length > room) length = room;
  if (!process->input_closed && !buffer_append(&process->input, bytes, length)) return true;
  process->input_received += length;
  if (!process->terminal && process->input_watch.fd >= 0) input_ready(agent, process, 0);
  process_rewatch(agent, process);
  return true;
}

bool process_input_end(struct agent *agent, uint32_t stream, uint64_t offset) {
  struct process *process = process_find(agent, stream / 4);
  if (!process || stream % 4 != 0) return process != NULL;
  process->input_end = offset;
  if (process->terminal) return true;
  if (process->input_received >= offset && buffer_length(&process->input) == 0) process_close_input(agent, process);
  return true;
}

static bool pump_output(struct lane *lane, struct output *out) {
  bool queued = false;
  if (!out->attached) return false;
  if (out->sent < out->ring.start) out->sent = out->ring.start;
  while (out->sent < out->ring.end && out->sent < out->limit && lane_has_room(lane)) {
    size_t length;
    const uint8_t *bytes = ring_peek(&out->ring, out->sent, &length);
    if (length > DATA_PART) length = DATA_PART;
    if (length > out->limit - out->sent) length = (size_t)(out->limit - out->sent);
    uint8_t head[8];
    for (int i = 0; i < 8; i++) head[i] = (uint8_t)(out->sent >> (8 * i));
    lane_send(lane, FRAME_DATA, out->stream, head, sizeof head, bytes, length);
    out->sent += length;
    queued = true;
  }
  if (out->end_due && out->ended && out->sent >= out->ring.end && lane_has_room(lane)) {
    uint8_t end[12] = {0};
    for (int i = 0; i < 8; i++) end[i] = (uint8_t)(out->ring.end >> (8 * i));
    lane_send(lane, FRAME_END, out->stream, end, sizeof end, NULL, 0);
    out->end_due = false;
    queued = true;
  }
  return queued;
}

static void pump_input_window(struct lane *lane, struct process *process) {
  uint64_t limit = process->input_received + INPUT_CAPACITY - buffer_length(&process->input);
  uint8_t window[16];
  for (int i = 0; i < 8; i++) {
    window[i] = (uint8_t)(process->input_received >> (8 * i));
    window[8 + i] = (uint8_t)(limit >> (8 * i));
  }
  lane_send(lane, FRAME_WINDOW, process->handle * 4, window, sizeof window, NULL, 0);
  /* Closed although the host had not ended it: the reader is gone. */
  if (process->input_closed && process->input_received < process->input_end) {
    uint8_t end[12] = {0};
    memcpy(end, window, 8);
    end[8] = EPIPE;
    lane_send(lane, FRAME_END, process->handle * 4, end, sizeof end, NULL, 0);
  }
  process->input_window_due = false;
}

bool processes_pump(struct agent *agent, struct lane *lane) {
  bool queued = false;
  if (!lane_connected(lane)) return false;
  for (struct process *p = agent->processes; p; p = p->next) {
    if (p->lane != lane->number || p->forgotten) continue;
    for (int i = 0; i < 2; i++) queued |= pump_output(lane, &p->outputs[i]);
    if (p->input_window_due && lane_has_room(lane)) {
      pump_input_window(lane, p);
      queued = true;
    }
  }
  return queued;
}
