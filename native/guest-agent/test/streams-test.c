/* Windows, offsets and ends of both directions, frame by frame. */
#include "../src/input-stream.h"
#include "../src/output-stream.h"

#include <string.h>

#include "../src/wire.h"
#include "check.h"

enum { EPOCH = 7, STREAM = 21, CAPACITY = 100 };

/* A lane whose output is looked at instead of written. */
static struct lane open_lane(void) { return (struct lane){.pipe.fd = 0, .parser = {.synchronised = true, .epoch = EPOCH}}; }

/* The next frame in a lane's output; false when there is none. */
static bool take(struct lane *lane, struct frame *frame) {
  struct parser parser = {.input = lane->output, .synchronised = true, .epoch = EPOCH};
  struct hello hello;
  bool found = parser_next(&parser, frame, &hello) == PARSED_FRAME;
  lane->output = parser.input;
  if (found) CHECK(frame->id == STREAM);
  return found;
}

static void expect(struct lane *lane, enum frame_type type, uint64_t first, uint64_t second, size_t rest) {
  struct frame frame;
  CHECK(take(lane, &frame) && frame.type == type);
  struct reader r = {frame.payload, frame.length, false};
  CHECK(read_u64(&r) == first);
  if (type == FRAME_WINDOW) CHECK(read_u64(&r) == second);
  if (type == FRAME_END) CHECK(read_u32(&r) == second);
  CHECK(!r.failed && r.left == rest);
}

static void expect_nothing(struct lane *lane) {
  struct frame frame;
  CHECK(!take(lane, &frame));
}

static void fill(struct ring *ring, size_t length) {
  for (size_t room; length > 0; length -= room) {
    uint8_t *at = ring_room(ring, &room);
    if (room > length) room = length;
    memset(at, 'a', room);
    ring_grow(ring, room);
  }
}

static void test_output_stays_within_the_window(void) {
  struct lane lane = open_lane();
  struct output_stream stream = {.id = STREAM};
  struct ring ring;
  CHECK(ring_open(&ring, CAPACITY));
  fill(&ring, 60);
  CHECK(!output_pump(&stream, &lane, &ring, false, 0)); /* not attached */
  output_window(&stream, 0, ring.end, 25);
  CHECK(output_pump(&stream, &lane, &ring, false, 0));
  expect(&lane, FRAME_DATA, 0, 0, 25);
  CHECK(!output_pump(&stream, &lane, &ring, false, 0));
  output_window(&stream, 20, ring.end, 1000);
  CHECK(output_pump(&stream, &lane, &ring, false, 0));
  expect(&lane, FRAME_DATA, 25, 0, 35);
  expect_nothing(&lane);
  /* The next connection has a byte less than was sent. */
  stream.attached = false;
  fill(&ring, 10);
  CHECK(!output_pump(&stream, &lane, &ring, false, 0));
  output_window(&stream, 59, ring.end, 1000);
  CHECK(output_pump(&stream, &lane, &ring, false, 0));
  expect(&lane, FRAME_DATA, 59, 0, 11);
  expect_nothing(&lane);
  ring_close(&ring);
  buffer_free(&lane.output);
}

static void test_output_jumps_over_what_was_dropped(void) {
  struct lane lane = open_lane();
  struct output_stream stream = {.id = STREAM};
  struct ring ring;
  CHECK(ring_open(&ring, CAPACITY));
  fill(&ring, CAPACITY);
  output_window(&stream, 10, ring.end, 10);
  ring_release(&ring, 40);
  CHECK(!output_pump(&stream, &lane, &ring, false, 0));
  output_window(&stream, 10, ring.end, 1000);
  CHECK(output_pump(&stream, &lane, &ring, false, 0));
  expect(&lane, FRAME_DATA, 40, 0, 60);
  /* A host that has more than there ever was is taken at the end. */
  stream.attached = false;
  output_window(&stream, 5000, ring.end, 10000);
  CHECK(stream.sent == ring.end && !output_pump(&stream, &lane, &ring, false, 0));
  ring_close(&ring);
  buffer_free(&lane.output);
}

static void test_the_end_is_sent_after_the_last_byte_and_again_after_a_window(void) {
  struct lane lane = open_lane();
  struct output_stream stream = {.id = STREAM};
  struct ring ring;
  CHECK(ring_open(&ring, CAPACITY));
  fill(&ring, 30);
  output_window(&stream, 0, ring.end, 20);
  CHECK(output_pump(&stream, &lane, &ring, true, 1005));
  expect(&lane, FRAME_DATA, 0, 0, 20);
  expect_nothing(&lane);
  output_window(&stream, 20, ring.end, 50);
  CHECK(output_pump(&stream, &lane, &ring, true, 1005));
  expect(&lane, FRAME_DATA, 20, 0, 10);
  expect(&lane, FRAME_END, 30, 1005, 0);
  CHECK(!output_pump(&stream, &lane, &ring, true, 1005));
  output_window(&stream, 30, ring.end, 50);
  CHECK(output_pump(&stream, &lane, &ring, true, 1005));
  expect(&lane, FRAME_END, 30, 1005, 0);
  expect_nothing(&lane);
  ring_close(&ring);
  buffer_free(&lane.output);
}

static void test_input_takes_new_bytes_once(void) {
  static const uint8_t bytes[] = "0123456789";
  struct input_stream stream = {.id = STREAM, .received = 100};
  const struct {
    uint64_t offset;
    size_t length;
    size_t fresh;
  } cases[] = {{100, 10, 10}, {95, 10, 5}, {90, 10, 0}, {91, 10, 1}, {0, 10, 0}, {101, 10, 0}, {UINT64_MAX, 10, 0}, {100, 1, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const uint8_t *at = bytes;
    stream.window_due = false;
    CHECK(input_skip_known(&stream, cases[i].offset, &at, cases[i].length) == cases[i].fresh);
    CHECK(stream.window_due);
    if (cases[i].fresh > 0) CHECK(at == bytes + cases[i].length - cases[i].fresh);
  }
}

static void test_a_window_is_sent_once_and_a_problem_with_it(void) {
  struct lane lane = open_lane();
  struct input_stream stream = {.id = STREAM, .received = 100};
  CHECK(!input_pump(&stream, &lane, 50, 0));
  stream.window_due = true;
  CHECK(input_pump(&stream, &lane, 50, 0));
  CHECK(!input_pump(&stream, &lane, 50, 0));
  expect(&lane, FRAME_WINDOW, 100, 150, 0);
  expect_nothing(&lane);
  stream.window_due = true;
  CHECK(input_pump(&stream, &lane, 0, 32));
  expect(&lane, FRAME_WINDOW, 100, 100, 0);
  expect(&lane, FRAME_END, 100, 32, 0);
  expect_nothing(&lane);
  buffer_free(&lane.output);
}

int main(void) {
  test_output_stays_within_the_window();
  test_output_jumps_over_what_was_dropped();
  test_the_end_is_sent_after_the_last_byte_and_again_after_a_window();
  test_input_takes_new_bytes_once();
  test_a_window_is_sent_once_and_a_problem_with_it();
  return 0;
}
