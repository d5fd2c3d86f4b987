#include "handshake.h"
#include <stdbool.h>
#include <string.h>

enum { PAGE = 4096 };

struct cursor {
  const char *at;
  const char *end;
};

static void skip_space(struct cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) c->at++;
}

static enum parse_result expect(struct cursor *c, char wanted) {
  skip_space(c);
  if (c->at == c->end) return PARSE_INCOMPLETE;
  return *c->at++ == wanted ? PARSE_OK : PARSE_BAD;
}

static bool peek(struct cursor *c, char wanted) {
  skip_space(c);
  return c->at < c->end && *c->at == wanted;
}

static enum parse_result parse_number(struct cursor *c, uint64_t *value) {
  skip_space(c);
  const char *start = c->at;
  uint64_t total = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
    uint64_t digit = (uint64_t)(*c->at - '0');
    if (total > (UINT64_MAX - digit) / 10) return PARSE_BAD;
    total = total * 10 + digit;
  }
  if (c->at == c->end) return PARSE_INCOMPLETE;
  if (c->at == start) return PARSE_BAD;
  *value = total;
  return PARSE_OK;
}

static enum parse_result parse_key(struct cursor *c, const char **key, size_t *length) {
  enum parse_result r = expect(c, '"');
  if (r) return r;
  *key = c->at;
  while (c->at < c->end && *c->at != '"') {
    if (*c->at == '\\' || c->at - *key >= 64) return PARSE_BAD;
    c->at++;
  }
  *length = (size_t)(c->at - *key);
  return expect(c, '"');
}

static bool is(const char *key, size_t length, const char *name) { return strlen(name) == length && memcmp(key, name, length) == 0; }

static enum parse_result parse_region(struct cursor *c, struct region *region) {
  unsigned seen = 0;
  enum parse_result r = expect(c, '{');
  while (!r) {
    const char *key;
    size_t length;
    uint64_t value = 0;
    if ((r = parse_key(c, &key, &length)) || (r = expect(c, ':')) || (r = parse_number(c, &value))) return r;
    if (is(key, length, "base_host_virt_addr")) region->address = value, seen |= 1;
    else if (is(key, length, "size")) region->size = value, seen |= 2;
    else if (is(key, length, "offset")) region->offset = value, seen |= 4;
    /* Firecracker says the page size in bytes under both names. */
    else if ((is(key, length, "page_size") || is(key, length, "page_size_kib")) && value != PAGE) return PARSE_BAD;
    if (peek(c, ',')) {
      c->at++;
      continue;
    }
    r = expect(c, '}');
    break;
  }
  return r ? r : seen == 7 ? PARSE_OK : PARSE_BAD;
}

enum parse_result handshake_parse(const char *text, size_t length, struct region *regions, size_t *count) {
  struct cursor c = {text, text + length};
  *count = 0;
  enum parse_result r = expect(&c, '[');
  while (!r) {
    if (*count == MAX_REGIONS) return PARSE_BAD;
    if ((r = parse_region(&c, &regions[*count]))) return r;
    ++*count;
    if (peek(&c, ',')) {
      c.at++;
      continue;
    }
    r = expect(&c, ']');
    break;
  }
  if (r) return r;
  skip_space(&c);
  return c.at == c.end ? PARSE_OK : PARSE_BAD;
}

static bool overlap(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size) { return a < b + b_size && b < a + a_size; }

const char *handshake_check(const struct region *regions, size_t count, uint64_t image_size) {
  for (size_t i = 0; i < count; i++) {
    const struct region *a = &regions[i];
    if (a->address % PAGE || a->size % PAGE || a->offset % PAGE || a->size == 0) return "a region is not aligned to pages";
    if (a->size > image_size || a->offset > image_size - a->size) return "a region lies outside the image";
    if (a->address > (1ull << 56) - a->size) return "a region's address is out of range";
    for (size_t j = 0; j < i; j++) {
      const struct region *b = &regions[j];
      if (overlap(a->address, b->address, a->size, b->size) || overlap(a->offset, b->offset, a->size, b->size)) return "regions overlap";
    }
  }
  return NULL;
}
