/*
 * Any frames, hellos and bytes between them, through a lane to requests and streams: nothing is read outside its frame,
 * every request is handled once, and whatever arrived, the next greeting is answered.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/input-stream.h"
#include "../src/output-stream.h"
#include "../src/request-table.h"
#include "../src/status.h"
#include "../src/stream-table.h"
#include "../test/hello.h"

enum { EPOCH = 7, HANDLES = 4, ROOM = 64, LATER = 4, GREETING = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct echo {
  struct stream stream;
  struct output_stream output;
  struct input_stream input;
  struct ring ring;
  bool ended;
};

struct world {
  struct loop loop;
  struct lane lane;
  struct request_table requests;
  struct stream_table streams;
  struct echo echoes[HANDLES];
  struct ticket later[LATER];
  size_t later_count;
};

static struct echo *echo_of(struct stream *stream) { return STREAM_OWNER(stream, struct echo, stream); }

static void receive(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct echo *echo = echo_of(stream);
  size_t fresh = input_skip_known(&echo->input, offset, &bytes, length);
  echo->input.received += fresh;
  for (size_t room; fresh > 0; fresh -= room, bytes += room) {
    uint8_t *at = ring_room(&echo->ring, &room);
    if (room > fresh) room = fresh;
    if (room == 0) return;
    memcpy(at, bytes, room);
    ring_grow(&echo->ring, room);
  }
}

static void end(struct stream *stream, uint64_t offset) { echo_of(stream)->ended = offset <= echo_of(stream)->input.received; }

static void window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  struct echo *echo = echo_of(stream);
  if (n == STREAM_INPUT) echo->input.window_due = true;
  if (n != STREAM_OUTPUT) return;
  ring_release(&echo->ring, received);
  output_window(&echo->output, received, echo->ring.end, limit);
}

static void detach(struct stream *stream) { echo_of(stream)->output.attached = false; }

static bool pump(struct stream *stream, struct lane *lane) {
  struct echo *echo = echo_of(stream);
  bool queued = output_pump(&echo->output, lane, &echo->ring, echo->ended, 0);
  return input_pump(&echo->input, lane, ring_free(&echo->ring), echo->ended ? 32 : 0) || queued;
}

static const struct stream_kind echoes = {.receive = receive, .end = end, .window = window, .detach = detach, .pump = pump};

static int handle(void *owner, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  struct world *world = owner;
  if (!request_pending(ticket)) __builtin_trap();
  if (op % 2 == 1 && world->later_count < LATER) {
    world->later[world->later_count++] = *ticket;
    return STATUS_LATER;
  }
  return read_finished(r) ? STATUS_OK : fail_with(body, STATUS_BAD_REQUEST, "bytes are left over");
}

static void answer_later(struct world *world) {
  for (; world->later_count > 0; world->later_count--) {
    struct buffer body = {0};
    write_u32(&body, 1);
    request_answer(&world->later[world->later_count - 1], STATUS_OK, &body);
    if (body.bytes || request_pending(&world->later[world->later_count - 1])) __builtin_trap();
  }
}

static void on_session(void *owner, struct lane *lane, bool new_link) {
  struct world *world = owner;
  requests_reconnect(&world->requests, new_link);
  streams_close(&world->streams, lane->id);
  streams_detach(&world->streams, lane->id);
}

static void on_request(void *owner, struct lane *lane, const struct frame *frame) {
  (void)lane;
  requests_receive(&((struct world *)owner)->requests, frame);
}

static void on_stream(void *owner, struct lane *lane, const struct frame *frame) {
  (void)lane;
  streams_receive(&((struct world *)owner)->streams, frame);
}

static const struct lane_events events = {on_session, on_request, on_stream};

/* Turns the fuzzer's bytes into what a host might send: mostly whole frames, for most random bytes are none. */
static void compose(struct buffer *out, struct reader *r) {
  while (r->left > 0 && buffer_length(out) < 32768) {
    uint8_t kind = read_u8(r);
    uint8_t id = read_u8(r);
    size_t length = read_u8(r);
    if (length > r->left) length = r->left;
    if (kind < 8)
      append_hello(out, PROTOCOL_VERSION, EPOCH, kind, id);
    else if (kind < 16)
      (void)buffer_append(out, r->at, length);
    else
      (void)frame_append(out, EPOCH, (enum frame_type)(kind % 8), kind >> 7, id % 32, r->at, length, NULL, 0);
    r->at += length;
    r->left -= length;
  }
}

static void serve(struct world *world) {
  loop_turn(&world->loop, false);
  while (lane_read(&world->lane)) {
    (void)streams_pump(&world->streams, &world->lane);
    (void)lane_flush(&world->lane);
  }
  (void)streams_pump(&world->streams, &world->lane);
  answer_later(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct world world;
  static uint8_t rings[HANDLES][ROOM];
  static uint8_t answered[1 << 16];
  static const uint8_t padding[131096];
  int ends[2];
  world = (struct world){0};
  if (!loop_open(&world.loop) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)) return 0;
  lane_init(&world.lane, LANE_INTERACTIVE, &world.loop, 1, &events, &world);
  requests_init(&world.requests, &world.lane, handle, &world);
  for (uint32_t i = 0; i < HANDLES; i++) {
    struct echo *echo = &world.echoes[i];
    *echo = (struct echo){.stream = {.kind = &echoes, .handle = i + 1, .lane = LANE_INTERACTIVE}, .output.id = stream_id(i + 1, STREAM_OUTPUT), .input.id = stream_id(i + 1, STREAM_INPUT)};
    echo->ring = (struct ring){.bytes = rings[i], .capacity = ROOM};
    stream_add(&world.streams, &echo->stream);
  }
  lane_connect(&world.lane, ends[0]);
  struct buffer sent = {0};
  struct reader r = {data, size, false};
  append_hello(&sent, PROTOCOL_VERSION, EPOCH, 200, 999);
  compose(&sent, &r);
  (void)!write(ends[1], buffer_data(&sent), buffer_length(&sent));
  serve(&world);
  (void)lane_flush(&world.lane);
  while (read(ends[1], answered, sizeof answered) > 0) continue;
  /* The next connection, whatever was left over. */
  buffer_free(&world.lane.output);
  sent.start = sent.end = 0;
  (void)buffer_append(&sent, padding, sizeof padding);
  append_hello(&sent, PROTOCOL_VERSION, EPOCH, 201, 1000);
  (void)!write(ends[1], buffer_data(&sent), buffer_length(&sent));
  serve(&world);
  (void)lane_flush(&world.lane);
  if (!lane_connected(&world.lane) || world.requests.count != 0 || read(ends[1], answered, sizeof answered) < GREETING) __builtin_trap();
  buffer_free(&sent);
  buffer_free(&world.lane.output);
  buffer_free(&world.lane.parser.input);
  close(ends[0]);
  close(ends[1]);
  close(world.loop.epoll);
  return 0;
}
