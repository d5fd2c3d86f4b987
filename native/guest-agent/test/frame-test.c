/* Frames and hellos survive any cut, any rubbish before them, and any stale frame around them. */
#include "../src/frame.h"

#include <string.h>

#include "check.h"
#include "hello.h"

static void append_frame(struct buffer *out, uint32_t epoch, uint32_t id, size_t length) {
  static uint8_t payload[MAX_PAYLOAD];
  for (size_t i = 0; i < length; i++) payload[i] = (uint8_t)(i + id);
  CHECK(frame_append(out, epoch, FRAME_DATA, 0, id, payload, length / 2, payload + length / 2, length - length / 2));
}

struct seen {
  int hellos;
  int frames;
  uint32_t last_id;
};

static void drain(struct parser *p, struct seen *seen) {
  struct frame frame;
  struct hello hello;
  for (;;) {
    switch (parser_next(p, &frame, &hello)) {
      case PARSED_NOTHING:
        return;
      case PARSED_HELLO:
        seen->hellos++;
        p->synchronised = true;
        p->epoch = hello.epoch;
        break;
      case PARSED_FRAME:
        seen->frames++;
        seen->last_id = frame.id;
        for (size_t i = 0; i < frame.length; i++) CHECK(frame.payload[i] == (uint8_t)(i + frame.id));
    }
  }
}

/* A connection that is cut after `cut` bytes, and the recovery that the host does afterwards. */
static void cut_and_recover(const struct buffer *old, size_t cut, const struct buffer *recovery) {
  struct parser p = {0};
  struct seen before = {0};
  struct seen after = {0};
  CHECK(buffer_append(&p.input, buffer_data(old), cut));
  drain(&p, &before);
  CHECK(buffer_append(&p.input, buffer_data(recovery), buffer_length(recovery)));
  drain(&p, &after);
  CHECK(after.hellos >= 1);
  CHECK(after.last_id == 77);
  CHECK(p.synchronised && p.epoch == 9);
  CHECK(buffer_length(&p.input) == 0);
  buffer_free(&p.input);
}

static void every_cut_recovers(void) {
  struct buffer old = {0};
  struct buffer recovery = {0};
  append_hello(&old, PROTOCOL_VERSION, 5, 1, 1);
  for (uint32_t id = 1; id < 4; id++) append_frame(&old, 5, id, 40 * id);
  CHECK(buffer_reserve(&recovery, 200000));
  memset(recovery.bytes, 0, 131096);
  recovery.end = 131096;
  append_hello(&recovery, PROTOCOL_VERSION, 9, 1, 2);
  append_frame(&recovery, 9, 77, 33);
  for (size_t cut = 0; cut <= buffer_length(&old); cut++) cut_and_recover(&old, cut, &recovery);
  buffer_free(&old);
  buffer_free(&recovery);
}

static void byte_by_byte(void) {
  struct buffer all = {0};
  struct parser p = {0};
  struct seen seen = {0};
  append_hello(&all, PROTOCOL_VERSION, 5, 1, 1);
  append_frame(&all, 5, 1, 0);
  append_frame(&all, 5, 2, 1000);
  append_hello(&all, PROTOCOL_VERSION, 6, 1, 1);
  append_frame(&all, 6, 3, 10);
  for (size_t i = 0; i < buffer_length(&all); i++) {
    CHECK(buffer_append(&p.input, buffer_data(&all) + i, 1));
    drain(&p, &seen);
  }
  CHECK(seen.hellos == 2 && seen.frames == 3 && seen.last_id == 3);
  buffer_free(&all);
  buffer_free(&p.input);
}

/* The magic may stand inside rubbish, cut short; scanning goes on at the very next byte. */
static void partial_magics(void) {
  for (size_t prefix = 1; prefix < sizeof hello_magic; prefix++) {
    struct buffer all = {0};
    struct parser p = {0};
    struct seen seen = {0};
    CHECK(buffer_append(&all, hello_magic, prefix));
    append_hello(&all, PROTOCOL_VERSION, 5, 1, 1);
    append_frame(&all, 4, 1, 5);
    append_frame(&all, 5, 2, 5);
    CHECK(buffer_append(&p.input, buffer_data(&all), buffer_length(&all)));
    drain(&p, &seen);
    /* A frame of another epoch makes the lane lose its synchronisation: nothing after it is obeyed. */
    CHECK(seen.hellos == 1 && seen.frames == 0 && !p.synchronised);
    buffer_free(&all);
    buffer_free(&p.input);
  }
}

static void a_bad_frame_hides_no_hello(void) {
  struct buffer all = {0};
  struct parser p = {.synchronised = true, .epoch = 5};
  struct seen seen = {0};
  write_u32(&all, 5);
  write_u32(&all, 200); /* a frame that says 200 bytes and swallows the hello */
  write_u32(&all, FRAME_DATA);
  write_u32(&all, 1);
  append_hello(&all, PROTOCOL_VERSION, 6, 1, 1);
  for (int i = 0; i < 200; i++) write_u8(&all, 0);
  CHECK(buffer_append(&p.input, buffer_data(&all), buffer_length(&all)));
  drain(&p, &seen);
  CHECK(seen.hellos == 1 && p.epoch == 6);
  buffer_free(&all);
  buffer_free(&p.input);
}

static void refused(uint32_t epoch, uint32_t length, uint16_t zero) {
  struct buffer all = {0};
  struct parser p = {.synchronised = true, .epoch = 5};
  struct seen seen = {0};
  write_u32(&all, epoch);
  write_u32(&all, length);
  write_u16(&all, FRAME_DATA);
  write_u16(&all, zero);
  write_u32(&all, 1);
  CHECK(buffer_append(&p.input, buffer_data(&all), buffer_length(&all)));
  drain(&p, &seen);
  CHECK(seen.frames == 0 && !p.synchronised);
  buffer_free(&all);
  buffer_free(&p.input);
}

int main(void) {
  struct buffer out = {0};
  static uint8_t payload[MAX_PAYLOAD + 1];
  every_cut_recovers();
  byte_by_byte();
  partial_magics();
  a_bad_frame_hides_no_hello();
  refused(6, 0, 0);
  refused(5, MAX_PAYLOAD + 1, 0);
  refused(5, UINT32_MAX, 0);
  refused(5, 0, 1);
  CHECK(frame_append(&out, 5, FRAME_DATA, 0, 1, payload, MAX_PAYLOAD, NULL, 0));
  CHECK(!frame_append(&out, 5, FRAME_DATA, 0, 1, payload, MAX_PAYLOAD + 1, NULL, 0));
  buffer_free(&out);
  return 0;
}
