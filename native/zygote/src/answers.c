#define _GNU_SOURCE
#include "answers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER = 8 };

bool answers_add(struct answers *answers, uint32_t id, int fd) {
  if (answers->count == ANSWERS_LIMIT) return false;
  struct answer *answer = &answers->items[answers->count++];
  answer->id = id;
  answer->fd = fd;
  answer->length = 0;
  return true;
}

void answers_poll(const struct answers *answers, struct pollfd *polled) {
  for (size_t i = 0; i < answers->count; i++) polled[i] = (struct pollfd){.fd = answers->items[i].fd, .events = POLLIN};
}

static void put_number(char *bytes, uint32_t value) {
  for (int at = 0; at < 4; at++) bytes[at] = (char)(value >> (8 * at));
}

bool answer_send(int socket, uint32_t id, const char *text, size_t length) {
  char frame[HEADER + ANSWER_LIMIT];
  put_number(frame, (uint32_t)length);
  put_number(frame + 4, id);
  memcpy(frame + HEADER, text, length);
  for (size_t sent = 0; sent < HEADER + length;) {
    ssize_t n = send(socket, frame + sent, HEADER + length - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) sent += (size_t)n;
  }
  return true;
}

/* A started machine says so in one line and waits; everything else ends with its process. */
static bool is_complete(const struct answer *answer) { return answer->length > 0 && answer->text[0] == '{' && answer->text[answer->length - 1] == '\n'; }

/* Whether the answer is complete. What is longer than the limit, which no message of the jail is, loses its rest. */
static bool receive(struct answer *answer) {
  ssize_t n = read(answer->fd, answer->text + answer->length, sizeof answer->text - answer->length);
  if (n < 0 && errno == EINTR) return false;
  if (n <= 0) return true;
  answer->length += (size_t)n;
  return is_complete(answer) || answer->length == sizeof answer->text;
}

/* The machine runs only once its answer is on its way: a caller that got none may start it again. */
static bool deliver(const struct answer *answer, int socket) {
  if (!answer_send(socket, answer->id, answer->text, answer->length)) return false;
  if (is_complete(answer)) (void)send(answer->fd, "", 1, MSG_NOSIGNAL);
  return true;
}

bool answers_collect(struct answers *answers, const struct pollfd *polled, int socket) {
  size_t kept = 0;
  bool open = true;
  for (size_t i = 0; i < answers->count; i++) {
    struct answer *answer = &answers->items[i];
    if (polled[i].revents && receive(answer)) {
      open = open && deliver(answer, socket);
      close(answer->fd);
      continue;
    }
    if (kept != i) answers->items[kept] = *answer;
    kept++;
  }
  answers->count = kept;
  return open;
}
