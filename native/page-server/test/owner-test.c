/* Frames of the host agent: whole, in pieces, in the wrong order and wrong in themselves. */
#include "owner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(what) \
  do { \
    if (!(what)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
      exit(1); \
    } \
  } while (0)

static struct server *server;
static int host;

static void begin(void) {
  int pair[2];
  server = calloc(1, sizeof *server);
  CHECK(server && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  server->listener = server->peer = server->uffd = -1;
  server->owner.fd = pair[0];
  host = pair[1];
}

static void finish(void) {
  free(server->image.extents);
  free(server->image.present);
  free(server->image.removed);
  free(server->prefetch);
  free(server->buffer);
  free(server->blocks);
  free(server->record);
  close(server->owner.fd);
  close(host);
  free(server);
}

static void frame(uint32_t type, const void *payload, size_t length) {
  uint32_t head[2] = {type, (uint32_t)length};
  CHECK(send(host, head, sizeof head, 0) == sizeof head);
  CHECK(length == 0 || send(host, payload, length, 0) == (ssize_t)length);
  CHECK(owner_read(server));
}

static void set_up(uint32_t files, uint32_t extents, uint32_t runs) {
  uint32_t numbers[6] = {16, 5000, files, extents, runs, 0};
  frame(TO_SET_UP, numbers, sizeof numbers);
}

/* 128 pages: 64 of zeros, 64 that the host agent has. */
static const struct extent extents[2] = {{0, 64 * PAGE, EXTENT_ZERO, 0, 0}, {64 * PAGE, 64 * PAGE, EXTENT_CALLBACK, 0, 0}};
static const struct run runs[2] = {{64, 2}, {100, 1}};

static void good(void) {
  begin();
  set_up(0, 2, 2);
  frame(TO_EXTENTS, &extents[0], sizeof extents[0]);
  frame(TO_EXTENTS, &extents[1], sizeof extents[1]);
  frame(TO_WORKING_SET, &runs[0], sizeof runs[0]);
  CHECK(server->phase == PHASE_SET_UP && !server->failure);
  frame(TO_WORKING_SET, &runs[1], sizeof runs[1]);
  CHECK(server->phase == PHASE_LISTEN && !server->failure);
  CHECK(server->image.size == 128 * PAGE && server->prefetch_count == 2 && server->record_limit == 128);
}

static void refused(const char *name) {
  if (!server->failure) {
    fprintf(stderr, "%s is taken\n", name);
    exit(1);
  }
  finish();
}

static void pieces(void) {
  begin();
  unsigned char bytes[FRAME_HEAD + SET_UP_LENGTH];
  uint32_t words[8] = {TO_SET_UP, SET_UP_LENGTH, 16, 5000, 0, 1, 0, 0};
  memcpy(bytes, words, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) {
    CHECK(!server->set_up && send(host, bytes + i, 1, 0) == 1 && owner_read(server));
  }
  CHECK(server->set_up && !server->failure);
  finish();
}

static void wrong(void) {
  static unsigned char block[8 + 65 * PAGE];
  const struct extent gap = {PAGE, PAGE, EXTENT_ZERO, 0, 0};
  const struct extent no_file = {0, PAGE, EXTENT_FILE, 0, 0};
  begin(), frame(TO_EXTENTS, extents, sizeof extents), refused("extents before the set-up");
  begin(), frame(99, NULL, 0), refused("an unknown type");
  begin(), frame(TO_SET_UP, block, 23), refused("a short set-up");
  begin(), set_up(1, 1, 0), refused("a file that was not handed over");
  begin(), set_up(0, MAX_EXTENTS + 1, 0), refused("too many extents");
  begin(), set_up(0, 1, MAX_RUNS + 1), refused("too many runs");
  begin(), set_up(0, 0, 0), refused("no extents");
  begin(), set_up(0, 2, 0), set_up(0, 2, 0), refused("a second set-up");
  begin(), set_up(0, 1, 0), frame(TO_EXTENTS, extents, sizeof extents), refused("more extents than were promised");
  begin(), set_up(0, 1, 0), frame(TO_EXTENTS, extents, 39), refused("a part of an extent");
  begin(), set_up(0, 1, 0), frame(TO_EXTENTS, &gap, sizeof gap), refused("a gap");
  begin(), set_up(0, 1, 0), frame(TO_EXTENTS, &no_file, sizeof no_file), refused("an extent of a file that is not there");
  begin(), set_up(0, 1, 1), frame(TO_WORKING_SET, runs, sizeof runs), refused("more runs than were promised");
  good(), frame(TO_PROVIDE, block, 8 + PAGE), refused("a block before there is a machine");
  begin(), frame(TO_FILL, runs, sizeof runs), refused("filling before the set-up");
  good(), server->phase = PHASE_SERVE, frame(TO_PROVIDE, block, 8), refused("an empty block");
  good(), server->phase = PHASE_SERVE, frame(TO_PROVIDE, block, 8 + 100), refused("a part of a page");
  good(), server->phase = PHASE_SERVE, block[0] = 1, frame(TO_PROVIDE, block, 8 + PAGE), refused("a block that is not aligned");
  block[0] = 0;
  memcpy(block, &(uint64_t){128 * PAGE}, 8);
  good(), server->phase = PHASE_SERVE, frame(TO_PROVIDE, block, 8 + PAGE), refused("a block beyond the memory");
  memcpy(block, &(uint64_t){127 * PAGE}, 8);
  good(), server->phase = PHASE_SERVE, frame(TO_PROVIDE, block, 8 + 2 * PAGE), refused("a block that ends beyond the memory");
  memcpy(block, &(uint64_t){UINT64_MAX - PAGE + 1}, 8);
  good(), server->phase = PHASE_SERVE, frame(TO_PROVIDE, block, 8 + PAGE), refused("a block at the end of all numbers");
  good(), server->phase = PHASE_SERVE, frame(TO_FILL, runs, 12), refused("a part of a run");
  good(), server->phase = PHASE_SERVE, frame(TO_FILL, runs, 8), frame(TO_FILL, runs, 8), refused("filling twice");
  good(), frame(TO_REPORT, block, 1), refused("a request for a report that has more in it");
  begin();
  uint32_t long_head[2] = {TO_PROVIDE, MAX_PAYLOAD + 1};
  CHECK(send(host, long_head, sizeof long_head, 0) == sizeof long_head && owner_read(server));
  refused("a frame that is too long");
}

static void reports(void) {
  uint32_t head[2];
  uint32_t body[64];
  good();
  server->counters = (struct counters){.faults = 7, .requests = 1};
  server->record[server->recorded++] = 70;
  frame(TO_REPORT, NULL, 0);
  owner_request(server, 64 * PAGE, 64 * PAGE);
  owner_ended(server, OUTCOME_FAILED, "why");
  CHECK(owner_flush(server) && !owner_has_output(server));
  CHECK(recv(host, head, 8, 0) == 8 && head[0] == FROM_REPORT && head[1] == 60);
  CHECK(recv(host, body, 60, 0) == 60 && body[0] == 7 && body[12] == 1 && body[14] == 70);
  CHECK(recv(host, head, 8, 0) == 8 && head[0] == FROM_REQUEST && head[1] == 16);
  CHECK(recv(host, body, 16, 0) == 16 && body[0] == 64 * PAGE && body[2] == 64 * PAGE);
  CHECK(recv(host, head, 8, 0) == 8 && head[0] == FROM_ENDED && head[1] == 8 + 60 + 3);
  CHECK(recv(host, body, 71, 0) == 71 && body[0] == OUTCOME_FAILED && body[1] == 3 && memcmp((char *)body + 68, "why", 3) == 0);
  finish();
}

static void full(void) {
  good();
  for (int i = 0; i < 200000 && !server->failure; i++) owner_request(server, 64 * PAGE, 64 * PAGE);
  CHECK(server->failure);
  /* There is still room for the reason. */
  owner_ended(server, OUTCOME_FAILED, server->failure);
  CHECK(server->owner.queued <= OUTPUT_ROOM);
  finish();
}

int main(void) {
  good();
  close(host);
  CHECK(!owner_read(server));
  host = -1;
  finish();
  pieces();
  wrong();
  reports();
  full();
  puts("owner: ok");
  return 0;
}
