/* Readers never go past the payload, and one failure makes everything after it fail. */
#include "../src/wire.h"

#include <string.h>

#include "../src/environment.h"
#include "check.h"

static void every_shorter_payload_fails(void) {
  struct buffer b = {0};
  write_u8(&b, 7);
  write_u16(&b, 0x1234);
  write_u32(&b, 0x89ABCDEF);
  write_u64(&b, 0x0123456789ABCDEF);
  write_text(&b, "wren");
  size_t whole = buffer_length(&b);
  for (size_t length = 0; length <= whole; length++) {
    uint8_t *copy = malloc(length + 1); /* exactly as long as allowed, so that the sanitizer sees one byte too many */
    CHECK(copy);
    memcpy(copy, buffer_data(&b), length);
    struct reader r = {copy, length, false};
    CHECK(read_u8(&r) == (length >= 1 ? 7 : 0));
    CHECK(read_u16(&r) == (length >= 3 ? 0x1234 : 0));
    CHECK(read_u32(&r) == (length >= 7 ? 0x89ABCDEF : 0));
    CHECK(read_u64(&r) == (length >= 15 ? 0x0123456789ABCDEF : 0));
    char *text = read_text(&r, 10);
    CHECK(r.failed == (length < whole));
    CHECK((text == NULL) == (length < whole));
    if (text) CHECK(strcmp(text, "wren") == 0);
    free(text);
    free(copy);
  }
  buffer_free(&b);
}

static void texts_are_bounded_and_without_nul(void) {
  struct buffer b = {0};
  write_bytes(&b, "a\0b", 3);
  struct reader r = {buffer_data(&b), buffer_length(&b), false};
  CHECK(read_text(&r, 10) == NULL && r.failed);
  r = (struct reader){buffer_data(&b), buffer_length(&b), false};
  CHECK(read_text(&r, 2) == NULL && r.failed);
  buffer_free(&b);
  write_u32(&b, UINT32_MAX);
  r = (struct reader){buffer_data(&b), buffer_length(&b), false};
  CHECK(read_bytes(&r).bytes == NULL && r.failed);
  buffer_free(&b);
}

static bool reads(const char *name, const char *value, struct environment *environment) {
  struct buffer b = {0};
  write_u32(&b, 1);
  write_text(&b, name);
  write_text(&b, value);
  struct reader r = {buffer_data(&b), buffer_length(&b), false};
  bool ok = environment_read(environment, &r);
  buffer_free(&b);
  return ok;
}

static void later_environment_wins(void) {
  struct environment environment = {0};
  CHECK(reads("PATH", "/bin", &environment));
  CHECK(reads("PATHS", "x=y", &environment));
  CHECK(reads("PATH", "", &environment));
  CHECK(environment.count == 2);
  CHECK(strcmp(environment_get(&environment, "PATH"), "") == 0);
  CHECK(strcmp(environment_get(&environment, "PATHS"), "x=y") == 0);
  CHECK(environment_get(&environment, "PAT") == NULL);
  CHECK(!reads("", "v", &environment));
  CHECK(!reads("A=B", "v", &environment));
  environment_free(&environment);
  struct buffer b = {0};
  write_u32(&b, UINT32_MAX);
  struct reader r = {buffer_data(&b), buffer_length(&b), false};
  CHECK(!environment_read(&environment, &r));
  buffer_free(&b);
}

int main(void) {
  every_shorter_payload_fails();
  texts_are_bounded_and_without_nul();
  later_environment_wins();
  return 0;
}
