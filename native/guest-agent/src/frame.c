#define _GNU_SOURCE
#include "frame.h"

#include <string.h>

#include "wire.h"

static const uint8_t hello_magic[16] = {'W', 'R', 'E', 'N', 'N', '-', 'H', 'E', 'L', 'L', 'O', 0xFF, 0x00, 0xA5, 0x5A, 0x01};
static const uint8_t welcome_magic[16] = {'W', 'R', 'E', 'N', 'N', '-', 'W', 'E', 'L', 'C', 'M', 0xFF, 0x00, 0x5A, 0xA5, 0x01};

uint8_t *parser_room(struct parser *p, size_t length) {
  /* From the front again: the same few pages of memory are used. */
  if (buffer_length(&p->input) == 0) p->input.start = p->input.end = 0;
  return buffer_reserve(&p->input, length) ? p->input.bytes + p->input.end : NULL;
}

void parser_fed(struct parser *p, size_t length) { p->input.end += length; }

static struct hello decode_hello(const uint8_t *record) {
  struct reader r = {record + sizeof hello_magic, RECORD_SIZE - sizeof hello_magic, false};
  struct hello hello = {.version = read_u32(&r), .epoch = read_u32(&r)};
  memcpy(hello.nonce, r.at, sizeof hello.nonce);
  r.at += sizeof hello.nonce;
  r.left -= sizeof hello.nonce;
  hello.link_id = read_u64(&r);
  hello.lane = read_u32(&r);
  return hello;
}

static bool hello_is_sane(const struct hello *hello) { return hello->epoch != 0 && hello->epoch != UINT32_MAX && hello->lane <= 1; }

/* Looks for a hello anywhere in the input and drops what stands before it. */
static enum parsed scan(struct parser *p, struct hello *hello) {
  for (;;) {
    size_t length = buffer_length(&p->input);
    if (length < sizeof hello_magic) return PARSED_NOTHING;
    const uint8_t *data = buffer_data(&p->input);
    const uint8_t *found = memmem(data, length, hello_magic, sizeof hello_magic);
    if (!found) {
      /* The last bytes may be the beginning of a magic. */
      buffer_consume(&p->input, length - (sizeof hello_magic - 1));
      return PARSED_NOTHING;
    }
    buffer_consume(&p->input, (size_t)(found - data));
    if (buffer_length(&p->input) < RECORD_SIZE) return PARSED_NOTHING;
    *hello = decode_hello(buffer_data(&p->input));
    if (hello_is_sane(hello)) {
      buffer_consume(&p->input, RECORD_SIZE);
      return PARSED_HELLO;
    }
    buffer_consume(&p->input, 1);
  }
}

static enum parsed lost(struct parser *p, struct hello *hello) {
  p->synchronised = false;
  buffer_consume(&p->input, 1);
  return scan(p, hello);
}

enum parsed parser_next(struct parser *p, struct frame *frame, struct hello *hello) {
  if (!p->synchronised) return scan(p, hello);
  size_t length = buffer_length(&p->input);
  if (length < FRAME_HEADER) return PARSED_NOTHING;
  const uint8_t *data = buffer_data(&p->input);
  if (memcmp(data, hello_magic, sizeof hello_magic) == 0) return scan(p, hello);

  struct reader r = {data, FRAME_HEADER, false};
  uint32_t epoch = read_u32(&r);
  uint32_t payload = read_u32(&r);
  uint8_t type = read_u8(&r);
  uint8_t flags = read_u8(&r);
  uint16_t zero = read_u16(&r);
  uint32_t id = read_u32(&r);
  if (epoch != p->epoch || payload > MAX_PAYLOAD || zero != 0) return lost(p, hello);
  if (length < FRAME_HEADER + (size_t)payload + FRAME_TRAILER) return PARSED_NOTHING;
  struct reader tail = {data + FRAME_HEADER + payload, FRAME_TRAILER, false};
  if (read_u32(&tail) != (p->epoch ^ UINT32_MAX)) return lost(p, hello);

  *frame = (struct frame){.type = type, .flags = flags, .id = id, .payload = data + FRAME_HEADER, .length = payload};
  /* Consuming only moves the start, or resets an emptied buffer: the payload's bytes stay until the next feed. */
  p->input.start += FRAME_HEADER + (size_t)payload + FRAME_TRAILER;
  return PARSED_FRAME;
}

bool frame_append(struct buffer *out, uint32_t epoch, enum frame_type type, uint8_t flags, uint32_t id, const void *head, size_t head_length, const void *tail,
                  size_t tail_length) {
  size_t payload = head_length + tail_length;
  if (payload > MAX_PAYLOAD || !buffer_reserve(out, FRAME_HEADER + payload + FRAME_TRAILER)) return false;
  write_u32(out, epoch);
  write_u32(out, (uint32_t)payload);
  write_u8(out, (uint8_t)type);
  write_u8(out, flags);
  write_u16(out, 0);
  write_u32(out, id);
  (void)buffer_append(out, head, head_length);
  (void)buffer_append(out, tail, tail_length);
  write_u32(out, epoch ^ UINT32_MAX);
  return true;
}

void welcome_append(struct buffer *out, const struct hello *hello, uint64_t instance) {
  static const uint8_t padding[12];
  (void)buffer_append(out, welcome_magic, sizeof welcome_magic);
  write_u32(out, PROTOCOL_VERSION);
  write_u32(out, hello->epoch);
  (void)buffer_append(out, hello->nonce, sizeof hello->nonce);
  write_u64(out, instance);
  write_u32(out, hello->lane);
  (void)buffer_append(out, padding, sizeof padding);
}
