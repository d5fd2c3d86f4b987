#define _GNU_SOURCE
#include "lane.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "feed.h"
#include "process.h"
#include "requests.h"
#include "transfer.h"

enum {
  READ_SIZE = 65536,
  /* One turn of reading. A host that sends without a pause must not keep the loop from the other lane and from sending. */
  TURN_BYTES = 4 * READ_SIZE,
  TURN_RECORDS = 128,
  OUTPUT_HIGH_WATER = 262144,
  REQUEST_LIMIT = 4096,
  REQUEST_BYTES = 4 << 20,
  RESPONSE_BYTES = 16 << 20,
};

bool lane_has_room(const struct lane *lane) { return buffer_length(&lane->output) < OUTPUT_HIGH_WATER; }

bool lane_connected(const struct lane *lane) { return lane->fd >= 0 && lane->parser.synchronised; }

void lane_send(struct lane *lane, enum frame_type type, uint32_t id, const void *head, size_t head_length, const void *tail, size_t tail_length) {
  if (lane_connected(lane)) (void)frame_append(&lane->output, lane->parser.epoch, type, 0, id, head, head_length, tail, tail_length);
}

bool lane_flush(struct lane *lane) {
  bool moved = false;
  while (lane->fd >= 0 && buffer_length(&lane->output) > 0) {
    ssize_t n = write(lane->fd, buffer_data(&lane->output), buffer_length(&lane->output));
    if (n <= 0) break;
    buffer_consume(&lane->output, (size_t)n);
    moved = true;
  }
  return moved;
}

static void send_response(struct lane *lane, const struct request *request) {
  const uint8_t *body = request->body.bytes ? buffer_data(&request->body) : NULL;
  size_t left = buffer_length(&request->body);
  uint8_t status[4] = {(uint8_t)request->status, (uint8_t)(request->status >> 8), 0, 0};
  size_t head = sizeof status;
  if (!lane_connected(lane)) return;
  do {
    size_t room = MAX_PAYLOAD - head;
    size_t part = left < room ? left : room;
    left -= part;
    (void)frame_append(&lane->output, lane->parser.epoch, FRAME_RESPONSE, left > 0 ? FLAG_MORE : 0, request->id, status, head, body, part);
    body += part;
    head = 0;
  } while (left > 0);
}

static struct request *find_request(struct lane *lane, uint32_t id) {
  for (struct request *r = lane->requests; r; r = r->next)
    if (r->id == id) return r;
  return NULL;
}

void lane_respond(struct agent *agent, const struct ticket *ticket, int status, struct buffer *body) {
  struct lane *lane = &agent->lanes[ticket->lane];
  struct request *request = find_request(lane, ticket->id);
  if (!request || request->done || request->serial != ticket->serial) {
    /* The host that asked is gone (its link ended); nobody waits for this. */
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
  send_response(lane, request);
}

static void forget_requests(struct lane *lane, uint32_t below) {
  struct request **link = &lane->requests;
  while (*link) {
    struct request *request = *link;
    if (request->id >= below || (below != UINT32_MAX && !request->done)) {
      link = &request->next;
      continue;
    }
    *link = request->next;
    lane->request_count--;
    buffer_free(&request->body);
    free(request);
  }
}

/* Takes a request on; NULL when it is known (and answered again if it was answered) or memory is short. */
static struct request *begin_request(struct agent *agent, struct lane *lane, uint32_t id) {
  struct request *request = find_request(lane, id);
  if (request) {
    if (request->done) send_response(lane, request);
    return NULL;
  }
  request = calloc(1, sizeof *request);
  if (!request) return NULL;
  request->id = id;
  request->serial = ++agent->request_serial;
  request->next = lane->requests;
  lane->requests = request;
  lane->request_count++;
  return request;
}

static void refuse_request(struct agent *agent, struct lane *lane, uint32_t id, int status, const char *detail) {
  const struct request *request = begin_request(agent, lane, id);
  if (!request) return;
  struct ticket ticket = {lane->number, id, request->serial};
  struct buffer body = {0};
  (void)fail_with(&body, status, detail);
  lane_respond(agent, &ticket, status, &body);
}

static void handle_request(struct agent *agent, struct lane *lane, uint32_t id, const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length, false};
  uint16_t op = read_u16(&reader);
  uint16_t zero = read_u16(&reader);
  uint32_t answered_below = read_u32(&reader);
  if (reader.failed || zero != 0 || id == 0) {
    refuse_request(agent, lane, id, STATUS_BAD_REQUEST, "the head of the request does not parse");
    return;
  }
  forget_requests(lane, answered_below);
  if (lane->request_count >= REQUEST_LIMIT && !find_request(lane, id)) {
    refuse_request(agent, lane, id, STATUS_BUSY, "too many requests");
    return;
  }
  const struct request *request = begin_request(agent, lane, id);
  if (!request) return;
  struct ticket ticket = {lane->number, id, request->serial};
  struct buffer body = {0};
  int status = request_dispatch(agent, &ticket, op, &reader, &body);
  if (status == STATUS_LATER)
    buffer_free(&body);
  else
    lane_respond(agent, &ticket, status, &body);
}

static void forget_partial(struct lane *lane) {
  buffer_free(&lane->partial);
  lane->partial_id = 0;
  lane->partial_refused = false;
}

static void handle_request_part(struct agent *agent, struct lane *lane, const struct frame *frame) {
  if (lane->partial_id != frame->id) forget_partial(lane);
  if (lane->partial_id == 0 && !(frame->flags & FLAG_MORE)) {
    handle_request(agent, lane, frame->id, frame->payload, frame->length);
    return;
  }
  lane->partial_id = frame->id;
  if (!lane->partial_refused && (buffer_length(&lane->partial) + frame->length > REQUEST_BYTES || !buffer_append(&lane->partial, frame->payload, frame->length))) {
    lane->partial_refused = true;
    buffer_free(&lane->partial);
    refuse_request(agent, lane, frame->id, STATUS_BAD_REQUEST, "the request is too large");
  }
  if (frame->flags & FLAG_MORE) return;
  struct buffer whole = lane->partial;
  bool refused = lane->partial_refused;
  memset(&lane->partial, 0, sizeof lane->partial);
  forget_partial(lane);
  if (!refused) handle_request(agent, lane, frame->id, buffer_data(&whole), buffer_length(&whole));
  buffer_free(&whole);
}

static void close_bulk_work(struct agent *agent) {
  transfers_close_all(agent);
  feeds_close_all(agent);
}

static void handle_hello(struct agent *agent, struct lane *lane, const struct hello *hello) {
  bool repeated = lane->parser.synchronised && lane->connection.epoch == hello->epoch && memcmp(lane->connection.nonce, hello->nonce, sizeof hello->nonce) == 0;
  if (!repeated) {
    if (lane->connection.link_id != hello->link_id) {
      forget_requests(lane, UINT32_MAX);
      if (lane->number == 1)
        close_bulk_work(agent);
      else
        processes_forget_waiters(agent);
    }
    lane->connection = *hello;
    lane->output.start = lane->output.end = 0;
    forget_partial(lane);
    processes_detach(agent, lane->number);
    transfers_detach(agent, lane->number);
    feeds_detach(agent, lane->number);
  }
  lane->parser.synchronised = hello->version == PROTOCOL_VERSION;
  lane->parser.epoch = hello->epoch;
  welcome_append(&lane->output, hello, agent->instance);
}

static void handle_frame(struct agent *agent, struct lane *lane, const struct frame *frame) {
  struct reader r = {frame->payload, frame->length, false};
  uint64_t first = 0;
  uint64_t second = 0;
  switch (frame->type) {
    case FRAME_REQUEST:
      handle_request_part(agent, lane, frame);
      return;
    case FRAME_DATA:
      first = read_u64(&r);
      if (r.failed || r.left == 0) return;
      if (!process_input(agent, frame->id, first, r.at, r.left)) transfer_input(agent, frame->id, first, r.at, r.left);
      return;
    case FRAME_WINDOW:
      first = read_u64(&r);
      second = read_u64(&r);
      if (!r.failed && !process_window(agent, frame->id, first, second) && !feed_window(agent, frame->id, first, second)) transfer_window(agent, frame->id, first, second);
      return;
    case FRAME_END:
      first = read_u64(&r);
      if (!r.failed) (void)process_input_end(agent, frame->id, first);
      return;
    default:
      return;
  }
}

/* Handles what has arrived, at most `budget` records of it; false when the budget was used up first. */
static bool handle_input(struct agent *agent, struct lane *lane, int *budget) {
  struct frame frame;
  struct hello hello;
  while (*budget > 0) {
    switch (parser_next(&lane->parser, &frame, &hello)) {
      case PARSED_HELLO:
        handle_hello(agent, lane, &hello);
        break;
      case PARSED_FRAME:
        handle_frame(agent, lane, &frame);
        break;
      case PARSED_NOTHING:
        return true;
    }
    (*budget)--;
  }
  return false;
}

static void disconnect(struct agent *agent, struct lane *lane) {
  watch_set(agent, lane->watch, 0);
  close(lane->fd);
  lane->fd = -1;
  lane->unread = false;
  lane->parser.synchronised = false;
  lane->parser.input.start = lane->parser.input.end = 0;
  lane->output.start = lane->output.end = 0;
}

static void lane_ready(struct agent *agent, void *owner, uint32_t events) {
  struct lane *lane = owner;
  if (events & EPOLLIN)
    lane->unread = true;
  else if (lane->listener >= 0 && events & (EPOLLHUP | EPOLLERR))
    disconnect(agent, lane);
}

/*
 * Edge-triggered: what a turn leaves is not announced again, so `unread` stays set. Answers are written between reads: a guest
 * that reads more slowly than the host repeats its greeting would otherwise never answer it.
 * A virtio port whose host is away reads as 0 and is simply left alone.
 */
bool lane_read(struct agent *agent, struct lane *lane) {
  static uint8_t bytes[READ_SIZE];
  int budget = TURN_RECORDS;
  for (size_t taken = 0; lane->unread && taken < TURN_BYTES;) {
    if (!handle_input(agent, lane, &budget)) break;
    (void)lane_flush(lane);
    ssize_t n = read(lane->fd, bytes, sizeof bytes);
    if (n > 0) {
      taken += (size_t)n;
      if (!parser_feed(&lane->parser, bytes, (size_t)n)) lane->parser.synchronised = false;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    lane->unread = false;
    if (lane->listener >= 0 && (n == 0 || errno != EAGAIN)) disconnect(agent, lane);
  }
  return lane->unread;
}

static bool lane_init(struct lane *lane, int number) {
  *lane = (struct lane){.number = number, .fd = -1, .listener = -1};
  lane->watch = calloc(1, sizeof *lane->watch);
  if (!lane->watch) return false;
  *lane->watch = (struct watch){.ready = lane_ready, .owner = lane, .fd = -1};
  return true;
}

/* There is no udev: the port's device is found by the name the host gave it. */
static int open_named_port(const char *name) {
  DIR *directory = opendir("/sys/class/virtio-ports");
  if (!directory) return -1;
  int fd = -1;
  for (struct dirent *entry; fd < 0 && (entry = readdir(directory));) {
    char path[300];
    char text[64] = "";
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    if (n <= 0) continue;
    text[strcspn(text, "\n")] = 0;
    if (strcmp(text, name) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  closedir(directory);
  return fd;
}

bool lane_open_port(struct agent *agent, int number, const char *name) {
  struct lane *lane = &agent->lanes[number];
  if (!lane_init(lane, number)) return false;
  for (int attempt = 0; attempt < 1000 && lane->fd < 0; attempt++) {
    lane->fd = open_named_port(name);
    if (lane->fd < 0) usleep(5000);
  }
  if (lane->fd < 0) return false;
  lane->watch->fd = lane->fd;
  watch_set(agent, lane->watch, EPOLLIN | EPOLLOUT | EPOLLET);
  return true;
}

static void accept_ready(struct agent *agent, void *owner, uint32_t events) {
  struct lane *lane = owner;
  (void)events;
  int fd = accept4(lane->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (lane->fd >= 0) disconnect(agent, lane);
  lane->fd = fd;
  lane->watch->fd = fd;
  watch_set(agent, lane->watch, EPOLLIN | EPOLLOUT | EPOLLET);
}

bool lane_listen(struct agent *agent, int number, const char *path) {
  struct lane *lane = &agent->lanes[number];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!lane_init(lane, number) || strlen(path) >= sizeof address.sun_path) return false;
  memcpy(address.sun_path, path, strlen(path));
  lane->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  unlink(path);
  if (lane->listener < 0 || bind(lane->listener, (struct sockaddr *)&address, sizeof address) || listen(lane->listener, 8)) return false;
  lane->listener_watch = calloc(1, sizeof *lane->listener_watch);
  if (!lane->listener_watch) return false;
  *lane->listener_watch = (struct watch){.ready = accept_ready, .owner = lane, .fd = lane->listener};
  watch_set(agent, lane->listener_watch, EPOLLIN);
  return true;
}
