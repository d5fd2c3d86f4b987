#define _GNU_SOURCE
#include "owner.h"
#include "serve.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char WRONG[] = "the host agent sent a wrong frame";

static uint32_t u32(const unsigned char *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static uint64_t u64(const unsigned char *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static bool has_set_up(const struct server *server) { return server->set_up && server->image.extent_count == server->extents_wanted && server->prefetch_count == server->runs_wanted; }

/* Whatever the numbers are: memory for them is limited, and its want is a failure. */
static const char *take_set_up(struct server *server, const unsigned char *payload, size_t length) {
  if (server->set_up || length != SET_UP_LENGTH) return WRONG;
  server->around = u32(payload);
  server->handshake_ms = u32(payload + 4);
  uint32_t files = u32(payload + 8);
  server->extents_wanted = u32(payload + 12);
  server->runs_wanted = u32(payload + 16);
  if (server->around < 1 || server->around > BLOCK_PAGES || server->handshake_ms > INT32_MAX || u32(payload + 20)) return WRONG;
  if (files != server->image.file_count || server->extents_wanted < 1 || server->extents_wanted > MAX_EXTENTS || server->runs_wanted > MAX_RUNS) return WRONG;
  server->image.extents = malloc(server->extents_wanted * sizeof *server->image.extents);
  server->prefetch = malloc(server->runs_wanted * sizeof *server->prefetch + 1);
  server->set_up = true;
  return server->image.extents && server->prefetch ? NULL : "out of memory";
}

static const char *take_extents(struct server *server, const unsigned char *payload, size_t length) {
  size_t count = length / sizeof(struct extent);
  if (!server->set_up || server->phase != PHASE_SET_UP || count == 0 || length % sizeof(struct extent) || count > server->extents_wanted - server->image.extent_count) return WRONG;
  memcpy(server->image.extents + server->image.extent_count, payload, length);
  server->image.extent_count += count;
  return NULL;
}

static const char *take_working_set(struct server *server, const unsigned char *payload, size_t length) {
  size_t count = length / sizeof(struct run);
  if (!server->set_up || server->phase != PHASE_SET_UP || count == 0 || length % sizeof(struct run) || count > server->runs_wanted - server->prefetch_count) return WRONG;
  memcpy(server->prefetch + server->prefetch_count, payload, length);
  server->prefetch_count += count;
  return NULL;
}

static const char *take_provide(struct server *server, const unsigned char *payload, size_t length) {
  if (server->phase != PHASE_SERVE || length < 8) return WRONG;
  const uint64_t offset = u64(payload);
  const uint64_t size = server->image.size;
  length -= 8;
  if (offset >= size || offset % PAGE || length == 0 || length % PAGE || length > (size_t)BLOCK_PAGES * PAGE || length > size - offset) return WRONG;
  serve_provided(server, offset, payload + 8, length);
  return server->failure;
}

static const char *take_fill(struct server *server, const unsigned char *payload, size_t length) {
  /* The machine's handshake may not have been read yet. */
  if (server->phase == PHASE_SET_UP || server->filling || length % sizeof(struct run)) return WRONG;
  struct run *runs = malloc(length + 1);
  if (!runs) return "out of memory";
  memcpy(runs, payload, length);
  free(server->prefetch);
  server->prefetch = runs;
  server->prefetch_count = length / sizeof *runs;
  server->prefetch_at = 0;
  server->prefetch_within = 0;
  server->filling = true;
  server->missing_before = SIZE_MAX;
  return NULL;
}

static void put(struct owner *owner, const void *bytes, size_t length) {
  /* A failed set-up has no record. */
  if (length) memcpy(owner->output + owner->queued, bytes, length);
  owner->queued += length;
}

static void put_head(struct owner *owner, uint32_t type, size_t length) {
  uint32_t head[2] = {type, (uint32_t)length};
  put(owner, head, sizeof head);
}

static size_t report_length(const struct server *server) { return sizeof server->counters + 8 + server->recorded * sizeof *server->record; }

static void put_report(struct server *server) {
  uint32_t recorded[2] = {(uint32_t)server->recorded, 0};
  put(&server->owner, &server->counters, sizeof server->counters);
  put(&server->owner, recorded, sizeof recorded);
  put(&server->owner, server->record, server->recorded * sizeof *server->record);
}

/* Room for the last frame stays free. */
static const char *take_report(struct server *server, size_t length) {
  struct owner *owner = &server->owner;
  if (length || owner->queued + 2 * FRAME_HEAD + report_length(server) + MAX_REPORT + 8 + MAX_TEXT > OUTPUT_ROOM) return WRONG;
  put_head(owner, FROM_REPORT, report_length(server));
  put_report(server);
  return NULL;
}

static const char *take_frame(struct server *server, uint32_t type, const unsigned char *payload, size_t length) {
  switch (type) {
    case TO_SET_UP:
      return take_set_up(server, payload, length);
    case TO_EXTENTS:
      return take_extents(server, payload, length);
    case TO_WORKING_SET:
      return take_working_set(server, payload, length);
    case TO_PROVIDE:
      return take_provide(server, payload, length);
    case TO_FILL:
      return take_fill(server, payload, length);
    case TO_REPORT:
      return take_report(server, length);
    default:
      return WRONG;
  }
}

/* Lays out what depends on the whole set-up. */
static const char *finish_set_up(struct server *server) {
  const char *problem = image_check(&server->image);
  if (problem) return problem;
  size_t pages = server->image.size / PAGE;
  server->record_limit = pages < MAX_RECORDED ? pages : MAX_RECORDED;
  server->buffer = malloc((size_t)BLOCK_PAGES * PAGE);
  server->blocks = calloc(pages / BLOCK_PAGES + 1, 1);
  server->record = malloc(server->record_limit * sizeof *server->record);
  if (!server->buffer || !server->blocks || !server->record) return "out of memory";
  server->phase = PHASE_LISTEN;
  return NULL;
}

void owner_take(struct server *server) {
  struct owner *owner = &server->owner;
  size_t done = 0;
  while (!server->failure && owner->received - done >= FRAME_HEAD) {
    size_t length = u32(owner->input + done + 4);
    if (length > MAX_PAYLOAD) {
      server->failure = WRONG;
      break;
    }
    if (owner->received - done - FRAME_HEAD < length) break;
    server->failure = take_frame(server, u32(owner->input + done), owner->input + done + FRAME_HEAD, length);
    done += FRAME_HEAD + length;
    if (!server->failure && server->phase == PHASE_SET_UP && has_set_up(server)) server->failure = finish_set_up(server);
  }
  owner->received -= done;
  memmove(owner->input, owner->input + done, owner->received);
}

bool owner_read(struct server *server) {
  struct owner *owner = &server->owner;
  /* After a failure nothing is taken any more: what comes is read to see the end. */
  if (server->phase == PHASE_FAILED) owner->received = 0;
  ssize_t n = recv(owner->fd, owner->input + owner->received, sizeof owner->input - owner->received, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  owner->received += (size_t)n;
  if (server->phase != PHASE_FAILED) owner_take(server);
  return true;
}

bool owner_has_output(const struct server *server) { return server->owner.queued > 0; }

bool owner_flush(struct server *server) {
  struct owner *owner = &server->owner;
  size_t sent = 0;
  while (sent < owner->queued) {
    ssize_t n = send(owner->fd, owner->output + sent, owner->queued - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n < 0) break;
    sent += (size_t)n;
  }
  owner->queued -= sent;
  memmove(owner->output, owner->output + sent, owner->queued);
  return true;
}

/* There is always room: MAX_IN_FLIGHT of them can be unanswered, and reports leave the rest. */
void owner_request(struct server *server, uint64_t offset, uint32_t length) {
  struct owner *owner = &server->owner;
  uint32_t rest[2] = {length, 0};
  if (owner->queued + FRAME_HEAD + sizeof offset + sizeof rest > OUTPUT_ROOM - FRAME_HEAD - MAX_REPORT - 8 - MAX_TEXT) {
    server->failure = "the host agent does not read";
    return;
  }
  put_head(owner, FROM_REQUEST, sizeof offset + sizeof rest);
  put(owner, &offset, sizeof offset);
  put(owner, rest, sizeof rest);
}

void owner_ended(struct server *server, uint32_t outcome, const char *text) {
  struct owner *owner = &server->owner;
  size_t length = strlen(text);
  if (length > MAX_TEXT) length = MAX_TEXT;
  uint32_t head[2] = {outcome, (uint32_t)length};
  put_head(owner, FROM_ENDED, sizeof head + report_length(server) + length);
  put(owner, head, sizeof head);
  put_report(server);
  put(owner, text, length);
}
