#include "requests.h"

#include <string.h>

static uint32_t number_at(const char *bytes) {
  uint32_t value = 0;
  for (int at = 3; at >= 0; at--) value = value << 8 | (unsigned char)bytes[at];
  return value;
}

static void drop(struct requests *requests, size_t count) {
  memmove(requests->bytes, requests->bytes + count, requests->held - count);
  requests->held -= count;
}

static void forget_taken(struct requests *requests) {
  drop(requests, requests->taken);
  requests->taken = 0;
}

static void skip(struct requests *requests) {
  size_t now = requests->skip < requests->held ? (size_t)requests->skip : requests->held;
  drop(requests, now);
  requests->skip -= now;
}

char *requests_room(struct requests *requests, size_t *room) {
  forget_taken(requests);
  *room = sizeof requests->bytes - requests->held;
  return requests->bytes + requests->held;
}

void requests_received(struct requests *requests, size_t count) { requests->held += count; }

bool requests_next(struct requests *requests, struct request *request) {
  forget_taken(requests);
  skip(requests);
  if (requests->skip > 0 || requests->held < REQUEST_HEADER) return false;
  uint32_t length = number_at(requests->bytes);
  *request = (struct request){.id = number_at(requests->bytes + 4), .length = length};
  if (length > REQUEST_LIMIT) {
    requests->taken = REQUEST_HEADER;
    requests->skip = length;
    return true;
  }
  if (requests->held < REQUEST_HEADER + length) return false;
  request->text = requests->bytes + REQUEST_HEADER;
  requests->taken = REQUEST_HEADER + length;
  return true;
}

bool requests_more(const struct requests *requests) { return requests->held > requests->taken; }

int request_words(const struct request *request, char *words[WORD_LIMIT + 1]) {
  if (!request->text || request->length == 0 || request->text[request->length - 1]) return 0;
  int count = 0;
  for (char *at = request->text; at < request->text + request->length; at += strlen(at) + 1) {
    if (count == WORD_LIMIT) return 0;
    words[count++] = at;
  }
  words[count] = NULL;
  return count;
}
