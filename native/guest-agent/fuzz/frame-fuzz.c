/* Any bytes, fed in two unequal parts: the parser never reads outside its input and never hands out an oversized frame. */
#include "../src/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct parser *p) {
  struct frame frame;
  struct hello hello;
  volatile uint8_t sum = 0;
  for (enum parsed parsed; (parsed = parser_next(p, &frame, &hello)) != PARSED_NOTHING;) {
    if (parsed == PARSED_HELLO) {
      p->synchronised = true;
      p->epoch = hello.epoch;
      continue;
    }
    if (frame.length > MAX_PAYLOAD) __builtin_trap();
    for (size_t i = 0; i < frame.length; i++) sum = (uint8_t)(sum + frame.payload[i]);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  size_t cut = data[0] % size;
  struct parser p = {.synchronised = data[1] & 1, .epoch = data[2]};
  (void)buffer_append(&p.input, data, cut);
  drain(&p);
  (void)buffer_append(&p.input, data + cut, size - cut);
  drain(&p);
  buffer_free(&p.input);
  return 0;
}
