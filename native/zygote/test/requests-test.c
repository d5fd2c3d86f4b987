/* Requests are taken apart however their bytes arrive; what is too long or has no end costs its own request only. */
#include "requests.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct requests requests;

static size_t put(char *to, uint32_t length, uint32_t id, const char *text, size_t size) {
  for (int at = 0; at < 4; at++) {
    to[at] = (char)(length >> (8 * at));
    to[at + 4] = (char)(id >> (8 * at));
  }
  memcpy(to + REQUEST_HEADER, text, size);
  return REQUEST_HEADER + size;
}

static void feed(const char *bytes, size_t size) {
  size_t room = 0;
  char *to = requests_room(&requests, &room);
  assert(room >= size);
  memcpy(to, bytes, size);
  requests_received(&requests, size);
}

static void test_pieces(void) {
  char bytes[64];
  struct request request;
  char *words[WORD_LIMIT + 1];
  size_t size = put(bytes, 6, 7, "ab\0\0cd", 6);
  requests = (struct requests){0};
  size += put(bytes + size, 3, 0x01020304, "ef", 3);
  int taken = 0;
  for (size_t at = 0; at < size; at++) {
    feed(bytes + at, 1);
    while (requests_next(&requests, &request)) {
      taken++;
      if (request.id == 7) assert(request.length == 6 && request_words(&request, words) == 0);
      if (request.id == 0x01020304) assert(request_words(&request, words) == 1 && !strcmp(words[0], "ef") && !words[1]);
    }
  }
  assert(taken == 2 && !requests_more(&requests));
}

static void test_together(void) {
  char bytes[64];
  struct request request;
  char *words[WORD_LIMIT + 1];
  requests = (struct requests){0};
  size_t size = put(bytes, 5, 1, "a\0\0b", 5);
  size += put(bytes + size, 0, 2, "", 0);
  size += put(bytes + size, 2, 3, "x", 2);
  feed(bytes, size);
  assert(requests_next(&requests, &request) && request.id == 1 && request_words(&request, words) == 3);
  assert(!strcmp(words[0], "a") && !strcmp(words[1], "") && !strcmp(words[2], "b"));
  assert(requests_next(&requests, &request) && request.id == 2 && request.length == 0 && request_words(&request, words) == 0);
  assert(requests_more(&requests));
  assert(requests_next(&requests, &request) && request.id == 3 && !requests_more(&requests));
  assert(!requests_next(&requests, &request));
}

static void test_too_long(void) {
  static char bytes[REQUEST_LIMIT * 2];
  struct request request;
  char *words[WORD_LIMIT + 1];
  requests = (struct requests){0};
  memset(bytes, 'x', sizeof bytes);
  (void)put(bytes, REQUEST_LIMIT + 1, 9, "", 0);
  feed(bytes, REQUEST_HEADER + 100);
  assert(requests_next(&requests, &request) && request.id == 9 && !request.text && request_words(&request, words) == 0);
  assert(!requests_next(&requests, &request));
  size_t rest = REQUEST_LIMIT + 1 - 100;
  feed(bytes + 100, rest);
  assert(!requests_next(&requests, &request));
  char next[16];
  feed(next, put(next, 2, 10, "y", 2));
  assert(requests_next(&requests, &request) && request.id == 10 && request_words(&request, words) == 1);
}

static void test_longest(void) {
  static char bytes[REQUEST_HEADER + REQUEST_LIMIT];
  struct request request;
  char *words[WORD_LIMIT + 1];
  requests = (struct requests){0};
  (void)put(bytes, REQUEST_LIMIT, 1, "", 0);
  feed(bytes, sizeof bytes);
  assert(requests_next(&requests, &request) && request.text);
  assert(request_words(&request, words) == 0);
  memset(request.text, 'x', request.length - 1);
  assert(request_words(&request, words) == 1);
  for (int at = 1; at <= WORD_LIMIT; at++) request.text[at * 2] = 0;
  assert(request_words(&request, words) == 0);
  request.text[2] = 'x';
  assert(request_words(&request, words) == WORD_LIMIT && !words[WORD_LIMIT]);
}

int main(void) {
  test_pieces();
  test_together();
  test_too_long();
  test_longest();
  puts("ok: pieces, several at once, too long, longest");
  return 0;
}
