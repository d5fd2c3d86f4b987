#include "request-table.h"

#include <stdlib.h>
#include <string.h>

#include "status.h"

enum { REQUEST_LIMIT = 4096, REQUEST_BYTES = 4 << 20, RESPONSE_BYTES = 16 << 20 };

/* A request that was received and whose response the host may still ask for again. */
struct request {
  struct request *next;
  uint32_t id;
  uint64_t serial;
  bool done;
  int status;
  struct buffer body;
};

void requests_init(struct request_table *table, struct lane *lane, request_handler *handle, void *owner) {
  *table = (struct request_table){.lane = lane, .handle = handle, .owner = owner};
}

static struct request *find(const struct request_table *table, uint32_t id) {
  for (struct request *r = table->requests; r; r = r->next)
    if (r->id == id) return r;
  return NULL;
}

static void send_response(struct lane *lane, const struct request *request) {
  const uint8_t *body = buffer_data(&request->body);
  size_t left = buffer_length(&request->body);
  uint8_t status[4] = {(uint8_t)request->status, (uint8_t)(request->status >> 8), 0, 0};
  size_t head = sizeof status;
  do {
    size_t room = MAX_PAYLOAD - head;
    size_t part = left < room ? left : room;
    left -= part;
    lane_send(lane, FRAME_RESPONSE, left > 0 ? FLAG_MORE : 0, request->id, status, head, body, part);
    if (left > 0) body += part;
    head = 0;
  } while (left > 0);
}

static struct request *pending(const struct ticket *ticket) {
  struct request *request = ticket->table ? find(ticket->table, ticket->id) : NULL;
  return request && !request->done && request->serial == ticket->serial ? request : NULL;
}

bool request_pending(const struct ticket *ticket) { return pending(ticket) != NULL; }

void request_answer(const struct ticket *ticket, int status, struct buffer *body) {
  struct request *request = pending(ticket);
  if (!request) {
    /* The link that asked has ended. */
    buffer_free(body);
    return;
  }
  if (buffer_length(body) > RESPONSE_BYTES) {
    buffer_free(body);
    status = STATUS_TOO_LARGE;
  }
  request->done = true;
  request->status = status;
  request->body = *body;
  memset(body, 0, sizeof *body);
  send_response(ticket->table->lane, request);
}

/* What the host has the answers of: all below an id but some. */
struct answered {
  uint32_t below;
  struct reader except;
};

static bool is_over(const struct request *request, const struct answered *answered) {
  if (!request->done || request->id >= answered->below) return false;
  for (struct reader r = answered->except; r.left > 0;)
    if (read_u32(&r) == request->id) return false;
  return true;
}

/* Forgets the requests whose answers the host has, or all of them. */
static void forget(struct request_table *table, const struct answered *answered) {
  struct request **link = &table->requests;
  while (*link) {
    struct request *request = *link;
    if (answered && !is_over(request, answered)) {
      link = &request->next;
      continue;
    }
    *link = request->next;
    table->count--;
    buffer_free(&request->body);
    free(request);
  }
}

/* Takes a request on; false when it is known (and answered again if it was answered) or memory is short. */
static bool begin(struct request_table *table, uint32_t id, struct ticket *ticket) {
  struct request *request = find(table, id);
  if (request) {
    if (request->done) send_response(table->lane, request);
    return false;
  }
  request = calloc(1, sizeof *request);
  if (!request) return false;
  request->id = id;
  request->serial = ++table->serial;
  request->next = table->requests;
  table->requests = request;
  table->count++;
  *ticket = (struct ticket){table, id, request->serial};
  return true;
}

static void refuse(struct request_table *table, uint32_t id, int status, const char *detail) {
  struct ticket ticket;
  struct buffer body = {0};
  if (!begin(table, id, &ticket)) return;
  (void)fail_with(&body, status, detail);
  request_answer(&ticket, status, &body);
}

static void handle_whole(struct request_table *table, uint32_t id, const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length, false};
  struct ticket ticket;
  uint16_t op = read_u16(&reader);
  uint16_t zero = read_u16(&reader);
  uint32_t answered_below = read_u32(&reader);
  if (reader.failed || zero != 0 || id == 0) {
    refuse(table, id, STATUS_BAD_REQUEST, "the head of the request does not parse");
    return;
  }
  forget(table, &(struct answered){.below = answered_below});
  if (table->count >= REQUEST_LIMIT && !find(table, id)) {
    refuse(table, id, STATUS_BUSY, "too many requests");
    return;
  }
  if (!begin(table, id, &ticket)) return;
  struct buffer body = {0};
  int status = table->handle(table->owner, &ticket, op, &reader, &body);
  if (status == STATUS_LATER)
    buffer_free(&body);
  else
    request_answer(&ticket, status, &body);
}

static void forget_partial(struct request_table *table) {
  buffer_free(&table->partial);
  table->partial_id = 0;
  table->partial_refused = false;
}

/* Requests that run long would otherwise keep the answers of all later ones. */
static void acknowledge(struct request_table *table, const struct frame *frame) {
  struct reader r = {frame->payload, frame->length, false};
  uint32_t below = read_u32(&r);
  uint32_t count = read_u32(&r);
  if (!r.failed && r.left == (size_t)count * 4) forget(table, &(struct answered){below, r});
}

void requests_receive(struct request_table *table, const struct frame *frame) {
  if (frame->type == FRAME_ANSWERED) {
    acknowledge(table, frame);
    return;
  }
  if (table->partial_id != frame->id) forget_partial(table);
  if (table->partial_id == 0 && !(frame->flags & FLAG_MORE)) {
    handle_whole(table, frame->id, frame->payload, frame->length);
    return;
  }
  table->partial_id = frame->id;
  if (!table->partial_refused && (buffer_length(&table->partial) + frame->length > REQUEST_BYTES || !buffer_append(&table->partial, frame->payload, frame->length))) {
    table->partial_refused = true;
    buffer_free(&table->partial);
    refuse(table, frame->id, STATUS_BAD_REQUEST, "the request is too large");
  }
  if (frame->flags & FLAG_MORE) return;
  struct buffer whole = table->partial;
  bool refused = table->partial_refused;
  memset(&table->partial, 0, sizeof table->partial);
  forget_partial(table);
  if (!refused) handle_whole(table, frame->id, buffer_data(&whole), buffer_length(&whole));
  buffer_free(&whole);
}

void requests_reconnect(struct request_table *table, bool new_link) {
  forget_partial(table);
  if (new_link) forget(table, NULL);
}
