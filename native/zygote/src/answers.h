/* The processes that were forked for requests and have not answered yet. */
#ifndef WRENN_ZYGOTE_ANSWERS_H
#define WRENN_ZYGOTE_ANSWERS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_LIMIT = 4096, ANSWERS_LIMIT = 64 };

struct answer {
  uint32_t id;
  int fd;
  size_t length;
  char text[ANSWER_LIMIT];
};

struct answers {
  size_t count;
  struct answer items[ANSWERS_LIMIT];
};

/* Waits for the answer on `fd`; false when too many are awaited. */
bool answers_add(struct answers *answers, uint32_t id, int fd);

/* The descriptors to poll, one for each, in order. */
void answers_poll(const struct answers *answers, struct pollfd *polled);

/* Reads from those that are ready, and sends each complete answer to `socket`; false when the socket is closed. */
bool answers_collect(struct answers *answers, const struct pollfd *polled, int socket);

/* Sends one answer: length and id, as requests have them, and the text. */
bool answer_send(int socket, uint32_t id, const char *text, size_t length);

#endif
