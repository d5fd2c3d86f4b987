/* A frame reaches the stream that its handle names, and the streams of a lane send in turn. */
#include "../src/stream-table.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/status.h"
#include "../src/wire.h"
#include "check.h"

enum { MANY = 5000, EPOCH = 7 };

struct probe {
  struct stream stream;
  struct stream_table *table;
  int received;
  int ended;
  int windows;
  int detached;
  int pumped;
  int closed;
  size_t fills; /* bytes that each turn queues */
  uint32_t n;
  uint64_t offset;
  uint64_t limit;
  size_t length;
};

static struct probe *probe_of(struct stream *stream) { return STREAM_OWNER(stream, struct probe, stream); }

static void receive(struct stream *stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct probe *probe = probe_of(stream);
  probe->received++;
  probe->offset = offset;
  probe->length = length;
  CHECK(bytes[0] == 'x' && bytes[length - 1] == 'x');
}

static void end(struct stream *stream, uint64_t offset) {
  probe_of(stream)->ended++;
  probe_of(stream)->offset = offset;
}

static void window(struct stream *stream, uint32_t n, uint64_t received, uint64_t limit) {
  struct probe *probe = probe_of(stream);
  probe->windows++;
  probe->n = n;
  probe->offset = received;
  probe->limit = limit;
}

static void detach(struct stream *stream) { probe_of(stream)->detached++; }

static bool pump(struct stream *stream, struct lane *lane) {
  static const uint8_t bytes[MAX_PAYLOAD];
  struct probe *probe = probe_of(stream);
  probe->pumped++;
  if (probe->fills > 0) lane_send(lane, FRAME_DATA, 0, stream_id(stream->handle, STREAM_OUTPUT), bytes, probe->fills, NULL, 0);
  return probe->fills > 0;
}

static void close_probe(struct stream *stream, const struct ticket *ticket) {
  CHECK(!ticket);
  probe_of(stream)->closed++;
  stream_remove(probe_of(stream)->table, stream);
}

static const struct stream_kind lasting = {.receive = receive, .end = end, .window = window, .detach = detach, .pump = pump};
static const struct stream_kind closing = {.window = window, .detach = detach, .pump = pump, .close = close_probe};

static void add(struct stream_table *table, struct probe *probe, const struct stream_kind *kind, uint32_t handle, enum lane_id lane) {
  *probe = (struct probe){.stream = {.kind = kind, .handle = handle, .lane = lane}, .table = table};
  stream_add(table, &probe->stream);
}

static void deliver(struct stream_table *table, enum frame_type type, uint32_t id, const void *payload, size_t length) {
  struct frame frame = {.type = (uint8_t)type, .id = id, .payload = payload, .length = length};
  streams_receive(table, &frame);
}

static void test_every_handle_is_found_until_it_is_removed(void) {
  static struct stream_table table;
  static struct probe probes[MANY];
  struct buffer detail = {0};
  for (uint32_t i = 0; i < MANY; i++) add(&table, &probes[i], &lasting, i * 7 + 1, i % LANES);
  for (uint32_t i = 0; i < MANY; i++) CHECK(stream_find(&table, i * 7 + 1) == &probes[i].stream);
  CHECK(!stream_find(&table, 2) && !stream_find(&table, 0) && !stream_find(&table, HANDLE_LIMIT));
  CHECK(stream_check_handle(&table, 8, &detail) == STATUS_BAD_REQUEST);
  CHECK(stream_check_handle(&table, 0, &detail) == STATUS_BAD_REQUEST);
  CHECK(stream_check_handle(&table, HANDLE_LIMIT, &detail) == STATUS_BAD_REQUEST);
  CHECK(stream_check_handle(&table, HANDLE_LIMIT - 1, &detail) == STATUS_OK);
  for (uint32_t i = 0; i < MANY; i += 2) stream_remove(&table, &probes[i].stream);
  for (uint32_t i = 0; i < MANY; i++) CHECK((stream_find(&table, i * 7 + 1) != NULL) == (i % 2 == 1));
  streams_detach(&table, LANE_INTERACTIVE);
  streams_detach(&table, LANE_BULK);
  for (uint32_t i = 0; i < MANY; i++) CHECK(probes[i].detached == (i % 2 == 1));
  for (uint32_t i = 1; i < MANY; i += 2) stream_remove(&table, &probes[i].stream);
  CHECK(!table.turn[LANE_INTERACTIVE] && !table.turn[LANE_BULK]);
  buffer_free(&detail);
}

static void test_a_frame_reaches_its_stream_or_is_dropped(void) {
  static struct stream_table table;
  struct probe process;
  struct probe feed;
  uint8_t payload[16 + 3] = {0};
  store_u64(payload, 5);
  store_u64(payload + 8, 9);
  add(&table, &process, &lasting, 3, LANE_INTERACTIVE);
  add(&table, &feed, &closing, 4, LANE_BULK);
  deliver(&table, FRAME_WINDOW, stream_id(3, STREAM_ERRORS), payload, 16);
  CHECK(process.windows == 1 && process.n == STREAM_ERRORS && process.offset == 5 && process.limit == 9);
  memset(payload + 8, 'x', 11);
  deliver(&table, FRAME_DATA, stream_id(3, STREAM_INPUT), payload, 19);
  CHECK(process.received == 1 && process.offset == 5 && process.length == 11);
  deliver(&table, FRAME_END, stream_id(3, STREAM_INPUT), payload, 8);
  CHECK(process.ended == 1);
  /* Without a byte, cut, of an output, of a stream without input, of no stream. */
  deliver(&table, FRAME_DATA, stream_id(3, STREAM_INPUT), payload, 8);
  deliver(&table, FRAME_DATA, stream_id(3, STREAM_INPUT), payload, 7);
  deliver(&table, FRAME_DATA, stream_id(3, STREAM_OUTPUT), payload, 19);
  deliver(&table, FRAME_END, stream_id(3, STREAM_OUTPUT), payload, 8);
  deliver(&table, FRAME_WINDOW, stream_id(3, STREAM_OUTPUT), payload, 15);
  deliver(&table, FRAME_DATA, stream_id(4, STREAM_INPUT), payload, 19);
  deliver(&table, FRAME_END, stream_id(4, STREAM_INPUT), payload, 8);
  deliver(&table, FRAME_WINDOW, stream_id(5, STREAM_OUTPUT), payload, 16);
  CHECK(process.received == 1 && process.ended == 1 && process.windows == 1 && feed.windows == 0);
}

static bool is_closing(const struct stream *stream, const void *context) { return stream->kind == context; }

static void test_the_end_of_a_link_closes_what_does_not_outlive_it(void) {
  /* Every arrangement of streams that stay and streams that close. */
  for (unsigned int pattern = 0; pattern < 32; pattern++) {
    struct stream_table table = {0};
    struct probe probes[5];
    struct probe other;
    size_t closes = 0;
    for (uint32_t i = 0; i < 5; i++) {
      closes += pattern >> i & 1;
      add(&table, &probes[i], pattern >> i & 1 ? &closing : &lasting, i + 1, LANE_BULK);
    }
    add(&table, &other, &closing, 9, LANE_INTERACTIVE);
    CHECK(streams_count(&table, LANE_BULK, is_closing, &closing) == closes);
    streams_close(&table, LANE_BULK);
    CHECK(streams_count(&table, LANE_BULK, is_closing, &closing) == 0 && streams_count(&table, LANE_BULK, is_closing, &lasting) == 5 - closes);
    for (uint32_t i = 0; i < 5; i++) CHECK(probes[i].closed == (int)(pattern >> i & 1));
    CHECK(other.closed == 0);
    streams_close(&table, LANE_BULK);
  }
}

static void test_streams_send_in_turn_when_the_lane_is_full(void) {
  struct stream_table table = {0};
  struct probe probes[4];
  struct loop loop;
  struct lane lane;
  int ends[2];
  CHECK(loop_open(&loop) && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  lane_init(&lane, LANE_BULK, &loop, 1, NULL, NULL);
  for (uint32_t i = 0; i < 4; i++) add(&table, &probes[i], &lasting, i + 1, LANE_BULK);
  CHECK(!streams_pump(&table, &lane)); /* not connected */
  lane_connect(&lane, ends[0]);
  lane.parser.synchronised = true;
  lane.parser.epoch = EPOCH;
  CHECK(!streams_pump(&table, &lane)); /* nothing to send */
  for (uint32_t i = 0; i < 4; i++) CHECK(probes[i].pumped == 1);
  /* Two frames fill the lane: in four rounds each stream has two turns. */
  for (uint32_t i = 0; i < 4; i++) probes[i].fills = MAX_PAYLOAD - 8;
  for (int round = 0; round < 4; round++) {
    CHECK(streams_pump(&table, &lane));
    CHECK(!lane_has_room(&lane));
    buffer_free(&lane.output);
  }
  for (uint32_t i = 0; i < 4; i++) CHECK(probes[i].pumped == 3);
  buffer_free(&lane.parser.input);
  close(ends[0]);
  close(ends[1]);
  close(loop.epoll);
}

int main(void) {
  test_every_handle_is_found_until_it_is_removed();
  test_a_frame_reaches_its_stream_or_is_dropped();
  test_the_end_of_a_link_closes_what_does_not_outlive_it();
  test_streams_send_in_turn_when_the_lane_is_full();
  return 0;
}
