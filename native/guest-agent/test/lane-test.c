/* A lane answers greetings and hands over frames in bounded turns, however fast the host sends. */
#include "../src/lane.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "hello.h"

enum { EPOCH = 7, INSTANCE = 42, RECORD = 64, PADDING = 131096 };

static const uint8_t welcome_magic[16] = {'W', 'R', 'E', 'N', 'N', '-', 'W', 'E', 'L', 'C', 'M', 0xFF, 0x00, 0x5A, 0xA5, 0x01};

struct bench {
  struct loop loop;
  struct lane lane;
  int host;
  int sessions;
  int new_links;
  int requests;
  int frames;
  struct buffer endless; /* sent again whenever something was handled */
};

static void send_all(struct bench *bench, const struct buffer *bytes) { CHECK(write(bench->host, buffer_data(bytes), buffer_length(bytes)) == (ssize_t)buffer_length(bytes)); }

/* The host is always faster: whatever was read is there again before the next read. */
static void refill(struct bench *bench) {
  if (buffer_length(&bench->endless) == 0) return;
  while (write(bench->host, buffer_data(&bench->endless), buffer_length(&bench->endless)) > 0) continue;
}

static void on_session(void *owner, struct lane *lane, bool new_link) {
  struct bench *bench = owner;
  CHECK(lane == &bench->lane && !lane_connected(lane));
  bench->sessions++;
  bench->new_links += new_link;
  refill(bench);
}

static void on_request(void *owner, struct lane *lane, const struct frame *frame) {
  struct bench *bench = owner;
  CHECK(lane == &bench->lane && frame->type == FRAME_REQUEST);
  bench->requests++;
  refill(bench);
}

static void on_stream(void *owner, struct lane *lane, const struct frame *frame) {
  struct bench *bench = owner;
  CHECK(lane == &bench->lane && frame->type >= FRAME_DATA && frame->type <= FRAME_END);
  bench->frames++;
  refill(bench);
}

static const struct lane_events events = {on_session, on_request, on_stream};

static void begin(struct bench *bench) {
  int ends[2];
  memset(bench, 0, sizeof *bench);
  CHECK(loop_open(&bench->loop) && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  bench->host = ends[1];
  lane_init(&bench->lane, LANE_INTERACTIVE, &bench->loop, INSTANCE, &events, bench);
  lane_connect(&bench->lane, ends[0]);
}

static void finish(struct bench *bench) {
  close(bench->lane.pipe.fd);
  close(bench->host);
  close(bench->loop.epoll);
  buffer_free(&bench->lane.output);
  buffer_free(&bench->lane.parser.input);
  buffer_free(&bench->endless);
}

/* Reads everything there is, in as many turns as it takes. */
static void read_all(struct bench *bench) {
  loop_turn(&bench->loop, false);
  for (int turns = 0; lane_read(&bench->lane); turns++) CHECK(turns < 1000);
}

/* With the greeting of the first connection read, which is of nonce 1 and link 1, and the welcome written. */
static void begin_connected(struct bench *bench) {
  struct buffer bytes = {0};
  begin(bench);
  append_hello(&bytes, PROTOCOL_VERSION, EPOCH, 1, 1);
  send_all(bench, &bytes);
  read_all(bench);
  buffer_free(&bytes);
}

/* How many bytes the lane has written; the first record is in `record`. */
static size_t written(struct bench *bench, uint8_t record[RECORD]) {
  static uint8_t bytes[1 << 20];
  size_t total = 0;
  for (ssize_t n; (n = read(bench->host, bytes + total, sizeof bytes - total)) > 0;) total += (size_t)n;
  if (total >= RECORD) memcpy(record, bytes, RECORD);
  return total;
}

static void check_welcome(const uint8_t record[RECORD], uint8_t nonce) {
  struct reader r = {record + 16, RECORD - 16, false};
  CHECK(memcmp(record, welcome_magic, sizeof welcome_magic) == 0);
  CHECK(read_u32(&r) == PROTOCOL_VERSION && read_u32(&r) == EPOCH);
  for (int i = 0; i < 16; i++) CHECK(read_u8(&r) == nonce);
  CHECK(read_u64(&r) == INSTANCE);
}

static void test_greetings_that_never_end_are_answered(void) {
  struct bench bench;
  uint8_t record[RECORD];
  begin(&bench);
  append_hello(&bench.endless, PROTOCOL_VERSION, EPOCH, 1, 1);
  append_hello(&bench.endless, PROTOCOL_VERSION, EPOCH, 2, 1);
  refill(&bench);
  loop_turn(&bench.loop, false);
  for (int turn = 0; turn < 5; turn++) {
    CHECK(lane_read(&bench.lane));
    (void)lane_flush(&bench.lane);
    CHECK(written(&bench, record) >= RECORD);
    check_welcome(record, record[24]);
  }
  finish(&bench);
}

static void test_bytes_that_never_end_end_the_turn(void) {
  struct bench bench;
  begin(&bench);
  close(bench.lane.pipe.fd);
  bench.lane.pipe.fd = open("/dev/zero", O_RDWR);
  bench.lane.unread = true;
  for (int turn = 0; turn < 5; turn++) CHECK(lane_read(&bench.lane));
  CHECK(bench.sessions == 0 && buffer_length(&bench.lane.parser.input) < PADDING);
  finish(&bench);
}

static void test_answers_are_written_before_more_is_read(void) {
  static const uint8_t padding[PADDING];
  struct bench bench;
  struct buffer bytes = {0};
  uint8_t record[RECORD];
  begin(&bench);
  append_hello(&bytes, PROTOCOL_VERSION, EPOCH, 1, 1);
  CHECK(buffer_append(&bytes, padding, sizeof padding));
  send_all(&bench, &bytes);
  loop_turn(&bench.loop, false);
  (void)lane_read(&bench.lane);
  CHECK(written(&bench, record) == RECORD);
  check_welcome(record, 1);
  buffer_free(&bytes);
  finish(&bench);
}

static void test_requests_that_never_end_end_the_turn(void) {
  struct bench bench;
  uint8_t record[RECORD];
  begin_connected(&bench);
  CHECK(frame_append(&bench.endless, EPOCH, FRAME_REQUEST, 0, 1, "12345678", 8, NULL, 0));
  refill(&bench);
  loop_turn(&bench.loop, false);
  CHECK(lane_read(&bench.lane));
  int handled = bench.requests;
  CHECK(handled > 0 && handled <= 32);
  /* What is left is not announced again, and read all the same. */
  loop_turn(&bench.loop, false);
  CHECK(lane_read(&bench.lane) && bench.requests > handled);
  CHECK(written(&bench, record) == RECORD);
  finish(&bench);
}

static void test_a_repeated_greeting_changes_nothing(void) {
  static const uint8_t padding[PADDING];
  struct bench bench;
  struct buffer bytes = {0};
  uint8_t record[RECORD];
  begin_connected(&bench);
  CHECK(bench.sessions == 1 && bench.new_links == 1 && lane_connected(&bench.lane));
  lane_send(&bench.lane, FRAME_RESPONSE, 0, 1, "answer", 6, NULL, 0);
  size_t queued = buffer_length(&bench.lane.output);
  CHECK(buffer_append(&bytes, padding, sizeof padding));
  append_hello(&bytes, PROTOCOL_VERSION, EPOCH, 1, 1);
  send_all(&bench, &bytes);
  read_all(&bench);
  (void)lane_flush(&bench.lane);
  CHECK(bench.sessions == 1 && lane_connected(&bench.lane));
  CHECK(written(&bench, record) == RECORD + queued + RECORD);
  check_welcome(record, 1);
  buffer_free(&bytes);
  finish(&bench);
}

static void test_a_new_connection_drops_what_the_old_one_was_to_get(void) {
  struct bench bench;
  struct buffer bytes = {0};
  uint8_t record[RECORD];
  begin_connected(&bench);
  (void)lane_flush(&bench.lane);
  CHECK(written(&bench, record) == RECORD);
  lane_send(&bench.lane, FRAME_DATA, 0, 5, "left over", 9, NULL, 0);
  append_hello(&bytes, PROTOCOL_VERSION, EPOCH, 2, 1);
  append_hello(&bytes, PROTOCOL_VERSION, EPOCH, 3, 9);
  CHECK(frame_append(&bytes, EPOCH, FRAME_END, 0, 5, "12345678", 8, NULL, 0));
  CHECK(frame_append(&bytes, EPOCH, (enum frame_type)77, 0, 5, "unknown", 7, NULL, 0));
  send_all(&bench, &bytes);
  /* The frame that is queued belongs to the old connection. */
  loop_turn(&bench.loop, false);
  while (lane_read(&bench.lane)) continue;
  (void)lane_flush(&bench.lane);
  CHECK(bench.sessions == 3 && bench.new_links == 2 && bench.frames == 1);
  buffer_free(&bytes);
  finish(&bench);
}

static void test_another_version_is_answered_and_not_served(void) {
  struct bench bench;
  struct buffer bytes = {0};
  uint8_t record[RECORD];
  begin(&bench);
  append_hello(&bytes, PROTOCOL_VERSION + 1, EPOCH, 1, 1);
  CHECK(frame_append(&bytes, EPOCH, FRAME_REQUEST, 0, 1, "12345678", 8, NULL, 0));
  send_all(&bench, &bytes);
  read_all(&bench);
  (void)lane_flush(&bench.lane);
  CHECK(!lane_connected(&bench.lane) && bench.requests == 0);
  lane_send(&bench.lane, FRAME_DATA, 0, 5, "dropped", 7, NULL, 0);
  (void)lane_flush(&bench.lane);
  CHECK(written(&bench, record) == RECORD);
  check_welcome(record, 1);
  buffer_free(&bytes);
  finish(&bench);
}

int main(void) {
  test_greetings_that_never_end_are_answered();
  test_bytes_that_never_end_end_the_turn();
  test_answers_are_written_before_more_is_read();
  test_requests_that_never_end_end_the_turn();
  test_a_repeated_greeting_changes_nothing();
  test_a_new_connection_drops_what_the_old_one_was_to_get();
  test_another_version_is_answered_and_not_served();
  return 0;
}
