/* Arbitrary bytes in arbitrary pieces: requests lie in the reader's memory, words in their request, and reading always goes on. */
#include "../src/requests.h"

#include <stdlib.h>
#include <string.h>

static void look(const struct request *request) {
  char *words[WORD_LIMIT + 1];
  if (!request->text) return;
  int count = request_words(request, words);
  size_t length = 0;
  for (int at = 0; at < count; at++) length += strlen(words[at]) + 1;
  if (count > 0 && (words[count] || length != request->length)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct requests *requests = calloc(1, sizeof *requests);
  struct request request;
  if (!requests) abort();
  for (size_t at = 0; at < size;) {
    size_t room = 0;
    char *to = requests_room(requests, &room);
    size_t piece = (size_t)data[at] * data[size - 1] + 1;
    if (room == 0) abort();
    if (piece > size - at) piece = size - at;
    if (piece > room) piece = room;
    memcpy(to, data + at, piece);
    requests_received(requests, piece);
    at += piece;
    while (requests_next(requests, &request)) look(&request);
  }
  free(requests);
  return 0;
}
