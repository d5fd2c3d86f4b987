/* A request is handled once and answered once, however often it arrives, and never by a link that did not ask. */
#include "../src/request-table.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/status.h"
#include "check.h"

enum { EPOCH = 7, OP_ECHO = 1, OP_LATER = 2 };

struct bench {
  struct loop loop;
  struct lane lane;
  struct request_table table;
  int ends[2];
  int handled;
  struct ticket later; /* of the last request that is answered later */
};

static int handle(void *owner, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  struct bench *bench = owner;
  bench->handled++;
  if (op == OP_LATER) {
    bench->later = *ticket;
    return STATUS_LATER;
  }
  CHECK(buffer_append(body, r->at, r->left));
  return STATUS_OK;
}

static void begin(struct bench *bench) {
  memset(bench, 0, sizeof *bench);
  CHECK(loop_open(&bench->loop) && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bench->ends) == 0);
  lane_init(&bench->lane, LANE_INTERACTIVE, &bench->loop, 1, NULL, NULL);
  lane_connect(&bench->lane, bench->ends[0]);
  bench->lane.parser.synchronised = true;
  bench->lane.parser.epoch = EPOCH;
  requests_init(&bench->table, &bench->lane, handle, bench);
}

static void finish(struct bench *bench) {
  requests_reconnect(&bench->table, true);
  CHECK(bench->table.count == 0 && !bench->table.requests);
  buffer_free(&bench->lane.output);
  close(bench->ends[0]);
  close(bench->ends[1]);
  close(bench->loop.epoll);
}

static void deliver(struct bench *bench, uint32_t id, uint16_t op, uint32_t answered_below, const void *body, size_t length, uint8_t flags) {
  struct buffer payload = {0};
  write_u16(&payload, op);
  write_u16(&payload, 0);
  write_u32(&payload, answered_below);
  CHECK(buffer_append(&payload, body, length));
  struct frame frame = {.type = FRAME_REQUEST, .flags = flags, .id = id, .payload = buffer_data(&payload), .length = buffer_length(&payload)};
  requests_receive(&bench->table, &frame);
  buffer_free(&payload);
}

static void deliver_part(struct bench *bench, uint32_t id, const void *bytes, size_t length, uint8_t flags) {
  struct frame frame = {.type = FRAME_REQUEST, .flags = flags, .id = id, .payload = bytes, .length = length};
  requests_receive(&bench->table, &frame);
}

/* Takes the one response in the lane's output: its status, with its whole body in `body`. */
static int take_response(struct bench *bench, uint32_t id, struct buffer *body) {
  struct parser parser = {.synchronised = true, .epoch = EPOCH};
  struct frame frame;
  struct hello hello;
  int status = -1;
  CHECK(buffer_append(&parser.input, buffer_data(&bench->lane.output), buffer_length(&bench->lane.output)));
  buffer_consume(&bench->lane.output, buffer_length(&bench->lane.output));
  bool more = true;
  while (more) {
    CHECK(parser_next(&parser, &frame, &hello) == PARSED_FRAME);
    CHECK(frame.type == FRAME_RESPONSE && frame.id == id);
    struct reader r = {frame.payload, frame.length, false};
    if (status == -1) status = (int)read_u32(&r);
    CHECK(!r.failed && buffer_append(body, r.at, r.left));
    more = frame.flags & FLAG_MORE;
  }
  CHECK(parser_next(&parser, &frame, &hello) == PARSED_NOTHING && buffer_length(&parser.input) == 0);
  buffer_free(&parser.input);
  return status;
}

static void expect(struct bench *bench, uint32_t id, int status, const char *body) {
  struct buffer got = {0};
  CHECK(take_response(bench, id, &got) == status);
  CHECK(buffer_length(&got) == strlen(body) && (!*body || memcmp(buffer_data(&got), body, strlen(body)) == 0));
  buffer_free(&got);
}

static bool silent(const struct bench *bench) { return buffer_length(&bench->lane.output) == 0; }

static void answer(const struct ticket *ticket, int status, const char *text) {
  struct buffer body = {0};
  CHECK(buffer_append(&body, text, strlen(text)));
  request_answer(ticket, status, &body);
  CHECK(!body.bytes);
}

static void test_a_repeated_request_is_answered_again_and_not_handled_again(void) {
  struct bench bench;
  begin(&bench);
  deliver(&bench, 1, OP_ECHO, 1, "one", 3, 0);
  expect(&bench, 1, STATUS_OK, "one");
  deliver(&bench, 1, OP_ECHO, 1, "two", 3, 0);
  expect(&bench, 1, STATUS_OK, "one");
  CHECK(bench.handled == 1);
  /* The host has the answer: it need not be kept. */
  deliver(&bench, 2, OP_ECHO, 2, "two", 3, 0);
  expect(&bench, 2, STATUS_OK, "two");
  CHECK(bench.table.count == 1);
  finish(&bench);
}

static void test_a_late_answer_is_given_once(void) {
  struct bench bench;
  struct ticket none = {0};
  begin(&bench);
  deliver(&bench, 5, OP_LATER, 1, "", 0, 0);
  CHECK(silent(&bench) && request_pending(&bench.later) && !request_pending(&none));
  deliver(&bench, 5, OP_LATER, 1, "", 0, 0);
  CHECK(silent(&bench) && bench.handled == 1);
  /* An id that the host claims to have the answer of, while it is under way, is kept. */
  deliver(&bench, 6, OP_ECHO, 6, "", 0, 0);
  expect(&bench, 6, STATUS_OK, "");
  answer(&bench.later, STATUS_BUSY, "late");
  CHECK(!request_pending(&bench.later));
  expect(&bench, 5, STATUS_BUSY, "late");
  answer(&bench.later, STATUS_OK, "again");
  answer(&none, STATUS_OK, "none");
  CHECK(silent(&bench));
  deliver(&bench, 5, OP_LATER, 1, "", 0, 0);
  expect(&bench, 5, STATUS_BUSY, "late");
  finish(&bench);
}

static void test_a_new_link_gets_no_answer_of_the_old_one(void) {
  struct bench bench;
  begin(&bench);
  deliver(&bench, 1, OP_LATER, 1, "", 0, 0);
  struct ticket old = bench.later;
  requests_reconnect(&bench.table, false);
  CHECK(request_pending(&old));
  requests_reconnect(&bench.table, true);
  CHECK(!request_pending(&old));
  deliver(&bench, 1, OP_LATER, 1, "", 0, 0);
  CHECK(bench.handled == 2 && bench.later.id == old.id);
  answer(&old, STATUS_OK, "old");
  CHECK(silent(&bench) && request_pending(&bench.later));
  answer(&bench.later, STATUS_OK, "new");
  expect(&bench, 1, STATUS_OK, "new");
  finish(&bench);
}

static void test_parts_make_one_request(void) {
  struct bench bench;
  begin(&bench);
  deliver(&bench, 3, OP_ECHO, 1, "ab", 2, FLAG_MORE);
  deliver_part(&bench, 3, "cd", 2, FLAG_MORE);
  CHECK(silent(&bench));
  deliver_part(&bench, 3, "e", 1, 0);
  expect(&bench, 3, STATUS_OK, "abcde");
  /* Parts of a request that another one interrupts, or a connection ends, are dropped. */
  deliver(&bench, 4, OP_ECHO, 1, "lost", 4, FLAG_MORE);
  deliver(&bench, 5, OP_ECHO, 1, "whole", 5, 0);
  expect(&bench, 5, STATUS_OK, "whole");
  deliver(&bench, 6, OP_ECHO, 1, "lost", 4, FLAG_MORE);
  requests_reconnect(&bench.table, false);
  deliver(&bench, 6, OP_ECHO, 1, "kept", 4, 0);
  expect(&bench, 6, STATUS_OK, "kept");
  CHECK(bench.handled == 3);
  finish(&bench);
}

static void test_a_request_that_is_too_large_is_refused_once(void) {
  static const uint8_t part[MAX_PAYLOAD];
  struct bench bench;
  begin(&bench);
  for (int i = 0; i < 40; i++) deliver_part(&bench, 1, part, sizeof part, FLAG_MORE);
  deliver_part(&bench, 1, part, 1, 0);
  expect(&bench, 1, STATUS_BAD_REQUEST, "the request is too large");
  CHECK(bench.handled == 0 && !bench.table.partial.bytes);
  deliver(&bench, 2, OP_ECHO, 1, "ok", 2, 0);
  expect(&bench, 2, STATUS_OK, "ok");
  finish(&bench);
}

static void test_answers_of_any_size_arrive_whole_or_as_an_error(void) {
  static const size_t sizes[] = {MAX_PAYLOAD - 4, MAX_PAYLOAD - 3, 3 * MAX_PAYLOAD, 16 << 20, (16 << 20) + 1};
  struct bench bench;
  begin(&bench);
  for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct buffer body = {0};
    struct buffer got = {0};
    deliver(&bench, i + 1, OP_LATER, 1, "", 0, 0);
    CHECK(buffer_reserve(&body, sizes[i]));
    memset(body.bytes, 'z', sizes[i]);
    body.end = sizes[i];
    request_answer(&bench.later, STATUS_OK, &body);
    bool fits = sizes[i] <= 16 << 20;
    CHECK(take_response(&bench, i + 1, &got) == (fits ? STATUS_OK : STATUS_TOO_LARGE));
    CHECK(buffer_length(&got) == (fits ? sizes[i] : 0));
    buffer_free(&got);
  }
  finish(&bench);
}

static void test_a_head_that_does_not_parse_is_refused(void) {
  static const uint8_t nonzero[8] = {1, 0, 1, 0};
  struct bench bench;
  begin(&bench);
  deliver_part(&bench, 1, nonzero, 7, 0);
  expect(&bench, 1, STATUS_BAD_REQUEST, "the head of the request does not parse");
  deliver_part(&bench, 2, nonzero, 8, 0);
  expect(&bench, 2, STATUS_BAD_REQUEST, "the head of the request does not parse");
  deliver(&bench, 0, OP_ECHO, 1, "", 0, 0);
  expect(&bench, 0, STATUS_BAD_REQUEST, "the head of the request does not parse");
  CHECK(bench.handled == 0);
  finish(&bench);
}

static void test_too_many_requests_are_refused(void) {
  struct bench bench;
  begin(&bench);
  for (uint32_t id = 1; id <= 4096; id++) deliver(&bench, id, OP_LATER, 1, "", 0, 0);
  CHECK(silent(&bench) && bench.handled == 4096);
  deliver(&bench, 4097, OP_LATER, 1, "", 0, 0);
  expect(&bench, 4097, STATUS_BUSY, "too many requests");
  answer(&bench.later, STATUS_OK, "");
  expect(&bench, 4096, STATUS_OK, "");
  deliver(&bench, 4098, OP_ECHO, 4098, "ok", 2, 0);
  expect(&bench, 4098, STATUS_OK, "ok");
  finish(&bench);
}

static void acknowledge(struct bench *bench, uint32_t below, uint32_t count, const uint32_t *except, size_t listed) {
  struct buffer payload = {0};
  write_u32(&payload, below);
  write_u32(&payload, count);
  for (size_t i = 0; i < listed; i++) write_u32(&payload, except[i]);
  struct frame frame = {.type = FRAME_ANSWERED, .payload = buffer_data(&payload), .length = buffer_length(&payload)};
  requests_receive(&bench->table, &frame);
  buffer_free(&payload);
}

static void test_a_request_that_runs_long_holds_up_no_other(void) {
  struct bench bench;
  const uint32_t except[] = {1, 4000};
  begin(&bench);
  deliver(&bench, 1, OP_LATER, 1, "", 0, 0);
  struct ticket longest = bench.later;
  for (uint32_t id = 2; id <= 4096; id++) deliver(&bench, id, OP_ECHO, 1, "", 0, 0);
  buffer_free(&bench.lane.output);
  CHECK(bench.table.count == 4096);
  /* Cut, or with more ids than it says: nothing is forgotten. */
  acknowledge(&bench, 4097, 2, except, 1);
  acknowledge(&bench, 4097, 1, except, 2);
  acknowledge(&bench, 4097, UINT32_MAX, except, 2);
  CHECK(bench.table.count == 4096);
  acknowledge(&bench, 4050, 2, except, 2);
  CHECK(bench.table.count == 1 + 1 + 47 && request_pending(&longest));
  deliver(&bench, 4000, OP_ECHO, 1, "", 0, 0);
  expect(&bench, 4000, STATUS_OK, "");
  CHECK(bench.handled == 4096);
  acknowledge(&bench, 4097, 1, except, 1);
  CHECK(bench.table.count == 1);
  for (uint32_t id = 4097; id < 8000; id++) deliver(&bench, id, OP_ECHO, 1, "", 0, 0);
  buffer_free(&bench.lane.output);
  CHECK(bench.handled == 4096 + 3903);
  answer(&longest, STATUS_OK, "done");
  expect(&bench, 1, STATUS_OK, "done");
  finish(&bench);
}

int main(void) {
  test_a_request_that_runs_long_holds_up_no_other();
  test_a_repeated_request_is_answered_again_and_not_handled_again();
  test_a_late_answer_is_given_once();
  test_a_new_link_gets_no_answer_of_the_old_one();
  test_parts_make_one_request();
  test_a_request_that_is_too_large_is_refused_once();
  test_answers_of_any_size_arrive_whole_or_as_an_error();
  test_a_head_that_does_not_parse_is_refused();
  test_too_many_requests_are_refused();
  return 0;
}
