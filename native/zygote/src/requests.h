/*
 * The requests on the zygote's socket. Each is a header of two little-endian numbers of 32 bits, length and id, and `length` bytes:
 * the words of a command line of wrenn-jail, each ended by a zero byte. A length of zero asks for a renewal.
 *
 * The host agent is the only writer; what does not parse still costs nothing but its own request.
 */
#ifndef WRENN_ZYGOTE_REQUESTS_H
#define WRENN_ZYGOTE_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_HEADER = 8, REQUEST_LIMIT = 65536, WORD_LIMIT = 512 };

struct request {
  uint32_t id;
  size_t length;
  char *text; /* in the reader's memory, until the next call; NULL for a request that is longer than the limit */
};

struct requests {
  size_t held;   /* bytes that were read and not yet taken */
  size_t taken;  /* of them, those of the request that was returned last */
  uint64_t skip; /* bytes of a request that was too long */
  char bytes[REQUEST_HEADER + REQUEST_LIMIT];
};

/* Where the next bytes go, and how many fit: never none, once every complete request was taken. */
char *requests_room(struct requests *requests, size_t *room);

/* `count` bytes were put there. */
void requests_received(struct requests *requests, size_t count);

/* Takes the next complete request; false while bytes of it are missing. */
bool requests_next(struct requests *requests, struct request *request);

/* Whether bytes of a further request have been read. */
bool requests_more(const struct requests *requests);

/* Splits the text into `words`, with NULL after the last, and returns how many; 0 for none, too many, or a last one without its end. */
int request_words(const struct request *request, char *words[WORD_LIMIT + 1]);

#endif
