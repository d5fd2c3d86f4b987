#include "process-streams.h"

#include <errno.h>

#include "process-io.h"

/* A request of a protocol, a line that somebody typed. */
enum { SHORT_INPUT = 16384 };

static struct process *process_of(struct stream *stream) { return STREAM_OWNER(stream, struct process, stream); }

static void receive(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct process *process = process_of(stream);
  struct input *input = &process->input;
  size_t fresh = input_skip_known(&input->stream, offset, &bytes, length);
  size_t room = input->capacity - buffer_length(&input->pending);
  if (fresh > room) fresh = room;
  if (fresh == 0 || (!input->closed && !buffer_append(&input->pending, bytes, fresh))) return;
  input->stream.received += fresh;
  if (fresh <= SHORT_INPUT) process_hurry(process);
  process_write_input(process);
  process_rewatch(process);
}

static void end(struct stream *stream, uint64_t offset) {
  struct process *process = process_of(stream);
  process->input.end = offset;
  if (process->terminal) return;
  if (process->input.stream.received >= offset && buffer_length(&process->input.pending) == 0) process_close_input(process);
}

static void window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  struct process *process = process_of(stream);
  if (n == STREAM_INPUT) {
    process->input.stream.window_due = true;
    process->input.announced = 0;
  }
  if (n < STREAM_OUTPUT || n >= STREAM_OUTPUT + OUTPUTS) return;
  struct output *out = &process->outputs[n - STREAM_OUTPUT];
  if (received > out->acknowledged) out->acknowledged = received < out->ring.end ? received : out->ring.end;
  output_window(&out->stream, received, out->ring.end, limit);
  out->impatient = false;
  process_settle(process);
  process_rewatch(process);
}

static void detach(struct stream *stream) {
  struct process *process = process_of(stream);
  for (int i = 0; i < OUTPUTS; i++) {
    process->outputs[i].stream.attached = false;
    /* The next connection reports itself what the host has. */
    process->outputs[i].acknowledged = process->outputs[i].ring.start;
  }
}

static uint64_t limit_of(const struct input *input) { return input->stream.received + input->capacity - buffer_length(&input->pending); }

/* While its reader is slower than the host, input moves in large pieces: small windows would ask for small ones. */
static bool is_worth_a_window(const struct input *input, int problem) {
  return !input->pace.resting || problem || limit_of(input) >= input->announced + input->capacity / 4;
}

static bool pump(struct stream *stream, struct lane *lane) {
  struct process *process = process_of(stream);
  struct input *input = &process->input;
  bool queued = false;
  for (int i = 0; i < OUTPUTS; i++) queued |= output_pump(&process->outputs[i].stream, lane, &process->outputs[i].ring, process->outputs[i].ended, 0);
  /* Closed although the host had not ended it: the reader is gone. */
  int problem = input->closed && input->stream.received < input->end ? EPIPE : 0;
  if (!is_worth_a_window(input, problem)) return queued;
  bool announced = input_pump(&input->stream, lane, input->capacity - buffer_length(&input->pending), problem);
  if (announced) input->announced = limit_of(input);
  queued |= announced;
  return queued;
}

const struct stream_kind process_streams = {.receive = receive, .end = end, .window = window, .detach = detach, .pump = pump};
