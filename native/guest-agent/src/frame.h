/*
 * Framing of one lane: finds hello records and frames in a stream of bytes that may start, end or be cut anywhere.
 * Faces everything a lane delivers, including left-overs of an earlier connection.
 */
#ifndef WRENN_FRAME_H
#define WRENN_FRAME_H

#include "buffer.h"

enum {
  PROTOCOL_VERSION = 1,
  RECORD_SIZE = 64,
  FRAME_HEADER = 16,
  FRAME_TRAILER = 4,
  MAX_PAYLOAD = 131072,
};

enum frame_type { FRAME_REQUEST = 1, FRAME_RESPONSE, FRAME_DATA, FRAME_WINDOW, FRAME_END, FRAME_ANSWERED };
enum { FLAG_MORE = 1 };

struct hello {
  uint32_t version;
  uint32_t epoch;
  uint8_t nonce[16];
  uint64_t link_id;
  uint32_t lane;
};

struct frame {
  uint8_t type;
  uint8_t flags;
  uint32_t id;
  const uint8_t *payload;
  size_t length;
};

struct parser {
  struct buffer input;
  bool synchronised;
  uint32_t epoch;
};

enum parsed { PARSED_NOTHING, PARSED_FRAME, PARSED_HELLO };

/* Room for `length` more bytes of input, for reading straight into it; NULL when memory is short. */
uint8_t *parser_room(struct parser *p, size_t length);
/* This many bytes were put there. */
void parser_fed(struct parser *p, size_t length);
/*
 * The next whole thing in the input. A frame's payload is valid until the next call.
 * After a hello the caller sets `synchronised` and `epoch` if it accepts it.
 */
enum parsed parser_next(struct parser *p, struct frame *frame, struct hello *hello);

/* Appends one whole frame; false when memory is short. The payload comes in two parts so that nothing is copied twice. */
bool frame_append(struct buffer *out, uint32_t epoch, enum frame_type type, uint8_t flags, uint32_t id, const void *head, size_t head_length, const void *tail,
                  size_t tail_length);
void welcome_append(struct buffer *out, const struct hello *hello, uint64_t instance);

#endif
