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
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  READ_SIZE = 65536,
  /* One turn of reading. A host that sends without a pause must not keep the loop from the other lane and from sending. */
  TURN_BYTES = 4 * READ_SIZE,
  TURN_RECORDS = 32,
  OUTPUT_HIGH_WATER = 262144,
  VIRTIO_CONSOLE = 3, /* the kind of device that has the ports */
};

static void lose_port(struct lane *lane);

bool lane_has_room(const struct lane *lane) { return buffer_length(&lane->output) < OUTPUT_HIGH_WATER; }

bool lane_connected(const struct lane *lane) { return lane->pipe.fd >= 0 && lane->parser.synchronised; }

void lane_send(struct lane *lane, enum frame_type type, uint8_t flags, uint32_t id, const void *head, size_t head_length, const void *tail, size_t tail_length) {
  if (lane_connected(lane)) (void)frame_append(&lane->output, lane->parser.epoch, type, flags, id, head, head_length, tail, tail_length);
}

bool lane_flush(struct lane *lane) {
  bool moved = false;
  while (lane->pipe.fd >= 0 && buffer_length(&lane->output) > 0) {
    ssize_t n = write(lane->pipe.fd, buffer_data(&lane->output), buffer_length(&lane->output));
    if (n <= 0) break;
    buffer_consume(&lane->output, (size_t)n);
    moved = true;
  }
  return moved;
}

static void handle_hello(struct lane *lane, const struct hello *hello) {
  /* Also after the padding before it, which no frame is: an answer that is half written stays whole. */
  bool repeated = lane->session.epoch == hello->epoch && memcmp(lane->session.nonce, hello->nonce, sizeof hello->nonce) == 0;
  if (!repeated) {
    bool new_link = lane->session.link_id != hello->link_id;
    lane->session = *hello;
    lane->output.start = lane->output.end = 0;
    /* What ends with the old link must not answer on the new connection. */
    lane->parser.synchronised = false;
    lane->events->on_session(lane->owner, lane, new_link);
  }
  lane->parser.synchronised = hello->version == PROTOCOL_VERSION;
  lane->parser.epoch = hello->epoch;
  welcome_append(&lane->output, hello, lane->instance);
}

static void handle_frame(struct lane *lane, const struct frame *frame) {
  switch (frame->type) {
    case FRAME_REQUEST:
    case FRAME_ANSWERED:
      lane->events->on_request(lane->owner, lane, frame);
      return;
    case FRAME_DATA:
    case FRAME_WINDOW:
    case FRAME_END:
      lane->events->on_stream(lane->owner, lane, frame);
      return;
    default:
      return;
  }
}

/* Handles what has arrived, at most `budget` records of it; false when the budget was used up first. */
static bool handle_input(struct lane *lane, int *budget) {
  struct frame frame;
  struct hello hello;
  while (*budget > 0) {
    switch (parser_next(&lane->parser, &frame, &hello)) {
      case PARSED_HELLO:
        handle_hello(lane, &hello);
        break;
      case PARSED_FRAME:
        handle_frame(lane, &frame);
        break;
      case PARSED_NOTHING:
        return true;
    }
    (*budget)--;
  }
  return false;
}

static void disconnect(struct lane *lane) {
  watch_set(lane->loop, &lane->pipe, 0);
  close(lane->pipe.fd);
  lane->pipe.fd = -1;
  lane->unread = false;
  lane->session.epoch = 0; /* whatever greets next is not a repetition */
  lane->parser.synchronised = false;
  lane->parser.input.start = lane->parser.input.end = 0;
  lane->output.start = lane->output.end = 0;
}

static void pipe_ready(void *owner, uint32_t events) {
  struct lane *lane = owner;
  /* A port that is gone reports that its host has hung up, too: reading tells. */
  if (events & EPOLLIN || (lane->port && events & (EPOLLHUP | EPOLLERR)))
    lane->unread = true;
  else if (lane->listener.fd >= 0 && events & (EPOLLHUP | EPOLLERR))
    disconnect(lane);
}

/*
 * Edge-triggered: what a turn leaves is not announced again, so `unread` stays set. Answers are written between reads: a guest
 * that reads more slowly than the host repeats its greeting would otherwise never answer it.
 * A virtio port whose host is away reads as 0 and is simply left alone.
 */
bool lane_read(struct lane *lane) {
  int budget = TURN_RECORDS;
  for (size_t taken = 0; lane->unread && taken < TURN_BYTES;) {
    if (!handle_input(lane, &budget)) break;
    (void)lane_flush(lane);
    uint8_t *room = parser_room(&lane->parser, READ_SIZE);
    if (!room) break;
    ssize_t n = read(lane->pipe.fd, room, READ_SIZE);
    if (n > 0) {
      taken += (size_t)n;
      parser_fed(&lane->parser, (size_t)n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    lane->unread = false;
    if (lane->listener.fd >= 0 && (n == 0 || errno != EAGAIN)) disconnect(lane);
    if (lane->port && n < 0 && errno == ENODEV) lose_port(lane);
  }
  return lane->unread;
}

void lane_init(struct lane *lane, enum lane_id id, struct loop *loop, uint64_t instance, const struct lane_events *events, void *owner) {
  *lane = (struct lane){.id = id, .loop = loop, .instance = instance, .events = events, .owner = owner, .pipe.fd = -1, .retry.fd = -1, .listener.fd = -1};
}

void lane_connect(struct lane *lane, int fd) {
  if (lane->pipe.fd >= 0) disconnect(lane);
  lane->pipe = (struct watch){.ready = pipe_ready, .owner = lane, .fd = fd};
  watch_set(lane->loop, &lane->pipe, EPOLLIN | EPOLLOUT | EPOLLET);
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
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
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

/* Root has taken the driver off its device: it is given back, since no one else can. */
static void bind_driver(void) {
  static const char devices[] = "/sys/bus/virtio/devices";
  DIR *directory = opendir(devices);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    char path[300];
    char text[16] = "";
    snprintf(path, sizeof path, "%s/%s/driver", devices, entry->d_name);
    if (*entry->d_name == '.' || access(path, F_OK) == 0) continue;
    snprintf(path, sizeof path, "%s/%s/device", devices, entry->d_name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0 || strtoul(text, NULL, 16) != VIRTIO_CONSOLE) continue;
    fd = open("/sys/bus/virtio/drivers/virtio_console/bind", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    n = fd < 0 ? 0 : write(fd, entry->d_name, strlen(entry->d_name));
    if (fd >= 0) close(fd);
  }
  closedir(directory);
}

static void retry_port(void *owner, uint32_t events) {
  struct lane *lane = owner;
  uint64_t ticks;
  (void)events;
  if (read(lane->retry.fd, &ticks, sizeof ticks) != sizeof ticks) return;
  int fd = open_named_port(lane->port);
  if (fd < 0) {
    bind_driver();
    return;
  }
  watch_set(lane->loop, &lane->retry, 0);
  close(lane->retry.fd);
  lane->retry.fd = -1;
  lane_connect(lane, fd);
}

/* The device is looked for until it is there again; the host greets it when it is. */
static void lose_port(struct lane *lane) {
  struct itimerspec when = {.it_value.tv_sec = 1, .it_interval.tv_sec = 1};
  disconnect(lane);
  lane->retry = (struct watch){.ready = retry_port, .owner = lane, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
  if (lane->retry.fd < 0) return;
  (void)timerfd_settime(lane->retry.fd, 0, &when, NULL);
  watch_set(lane->loop, &lane->retry, EPOLLIN);
}

bool lane_open_port(struct lane *lane, const char *name) {
  int fd = -1;
  lane->port = name;
  for (int attempt = 0; attempt < 1000 && fd < 0; attempt++) {
    fd = open_named_port(name);
    if (fd < 0) usleep(5000);
  }
  if (fd < 0) return false;
  lane_connect(lane, fd);
  return true;
}

static void listener_ready(void *owner, uint32_t events) {
  struct lane *lane = owner;
  (void)events;
  int fd = accept4(lane->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) lane_connect(lane, fd);
}

bool lane_listen(struct lane *lane, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return false;
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  lane->listener = (struct watch){.ready = listener_ready, .owner = lane, .fd = fd};
  unlink(path);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 8)) return false;
  watch_set(lane->loop, &lane->listener, EPOLLIN);
  return true;
}
