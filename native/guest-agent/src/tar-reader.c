#define _GNU_SOURCE
#include "tar-reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Where the fields of a header are. */
enum { NAME = 0, MODE = 100, SIZE = 124, MODIFIED = 136, CHECKSUM = 148, TYPE = 156, TARGET = 157, MAGIC = 257, PREFIX = 345 };
enum { NAME_LENGTH = 100, MODE_LENGTH = 8, NUMBER_LENGTH = 12, PREFIX_LENGTH = 155 };
enum { RECORDS_LIMIT = 64 * 1024 };

/* What records before a member say of it. */
struct said {
  char path[TAR_PATH];
  char target[TAR_PATH];
  bool has_size;
  uint64_t size;
};

/* Reads exactly `size` bytes; the number that there were. */
static size_t read_all(int fd, void *bytes, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    ssize_t n = read(fd, (char *)bytes + filled, size - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    filled += (size_t)n;
  }
  return filled;
}

static bool skip(int fd, uint64_t size) {
  char scratch[16 * 1024];
  while (size > 0) {
    size_t part = size < sizeof scratch ? (size_t)size : sizeof scratch;
    if (read_all(fd, scratch, part) != part) return false;
    size -= part;
  }
  return true;
}

/* An octal number, or the base-256 form of GNU for what has no room. */
static bool number(const unsigned char *field, size_t length, uint64_t *value) {
  *value = 0;
  if (field[0] & 0x80) {
    for (size_t i = length - 8; i < length; i++) *value = *value << 8 | field[i];
    for (size_t i = 1; i < length - 8; i++)
      if (field[i] != 0) return false;
    return field[0] == 0x80 && *value <= INT64_MAX;
  }
  size_t at = 0;
  while (at < length && field[at] == ' ') at++;
  for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) *value = *value * 8 + (uint64_t)(field[at] - '0');
  return at == length || field[at] == 0 || field[at] == ' ';
}

static bool checksum_fits(const unsigned char *block) {
  uint64_t said;
  uint64_t sum = 0;
  for (size_t i = 0; i < TAR_READER_BLOCK; i++) sum += i >= CHECKSUM && i < CHECKSUM + MODE_LENGTH ? ' ' : block[i];
  return number(block + CHECKSUM, MODE_LENGTH, &said) && said == sum;
}

static bool is_empty(const unsigned char *block) {
  for (size_t i = 0; i < TAR_READER_BLOCK; i++)
    if (block[i] != 0) return false;
  return true;
}

/* A field that ends with a NUL or is full. */
static size_t append_field(char to[TAR_PATH], size_t at, const unsigned char *field, size_t length) {
  size_t size = strnlen((const char *)field, length);
  memcpy(to + at, field, size);
  to[at + size] = 0;
  return at + size;
}

static bool copy_text(char to[TAR_PATH], const char *text, size_t length) {
  if (length >= TAR_PATH || memchr(text, 0, length)) return false;
  memcpy(to, text, length);
  to[length] = 0;
  return true;
}

static bool decimal(const char *text, size_t length, uint64_t *value) {
  *value = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9' || *value > INT64_MAX / 10 - 1) return false;
    *value = *value * 10 + (uint64_t)(text[i] - '0');
  }
  return length > 0;
}

/* One `name=value` of pax; names that are not known say nothing that matters here. */
static bool take_record(const char *record, size_t length, struct said *said) {
  const char *equals = memchr(record, '=', length);
  if (!equals) return false;
  size_t name = (size_t)(equals - record);
  const char *value = equals + 1;
  size_t size = length - name - 1;
  if (name == 4 && memcmp(record, "path", 4) == 0) return copy_text(said->path, value, size);
  if (name == 8 && memcmp(record, "linkpath", 8) == 0) return copy_text(said->target, value, size);
  if (name == 4 && memcmp(record, "size", 4) == 0) return said->has_size = decimal(value, size, &said->size);
  /* Sparse files have their holes in records, and their content in a form of its own. */
  return name < 11 || memcmp(record, "GNU.sparse.", 11) != 0;
}

/* `LENGTH name=value\n`, where the length counts itself. */
static bool take_records(const char *text, size_t size, struct said *said) {
  for (size_t at = 0; at < size;) {
    const char *blank = memchr(text + at, ' ', size - at);
    uint64_t length;
    if (!blank || !decimal(text + at, (size_t)(blank - (text + at)), &length)) return false;
    size_t head = (size_t)(blank - (text + at)) + 1;
    if (length > size - at || length < head + 2 || text[at + length - 1] != '\n') return false;
    if (!take_record(blank + 1, (size_t)length - head - 1, said)) return false;
    at += (size_t)length;
  }
  return true;
}

static bool read_said(struct tar_reader *reader, char type, uint64_t size, struct said *said) {
  char text[RECORDS_LIMIT];
  if (size > sizeof text) return false;
  size_t length = (size_t)size;
  if (read_all(reader->fd, text, length) != length || !skip(reader->fd, (TAR_READER_BLOCK - size % TAR_READER_BLOCK) % TAR_READER_BLOCK)) return false;
  if (type == 'x') return take_records(text, length, said);
  return copy_text(type == 'L' ? said->path : said->target, text, strnlen(text, length));
}

static void read_header(const unsigned char *block, const struct said *said, struct tar_member *member) {
  size_t at = 0;
  if (said->path[0]) {
    (void)copy_text(member->path, said->path, strlen(said->path));
  } else {
    if (memcmp(block + MAGIC, "ustar", 6) == 0 && block[PREFIX]) {
      at = append_field(member->path, 0, block + PREFIX, PREFIX_LENGTH);
      member->path[at++] = '/';
    }
    (void)append_field(member->path, at, block + NAME, NAME_LENGTH);
  }
  if (said->target[0]) (void)copy_text(member->target, said->target, strlen(said->target));
  else (void)append_field(member->target, 0, block + TARGET, NAME_LENGTH);
  member->type = block[TYPE] == 0 || block[TYPE] == '7' ? '0' : (char)block[TYPE];
}

enum tar_read tar_reader_next(struct tar_reader *reader, struct tar_member *member) {
  struct said said = {0};
  const unsigned char *block = reader->block;
  if (!skip(reader->fd, reader->left) || !skip(reader->fd, reader->padding)) return TAR_READ_BROKEN;
  reader->left = reader->padding = 0;
  for (;;) {
    uint64_t mode;
    uint64_t modified;
    uint64_t size;
    size_t filled = read_all(reader->fd, reader->block, TAR_READER_BLOCK);
    if (filled == 0) return said.path[0] || said.target[0] || said.has_size ? TAR_READ_BROKEN : TAR_READ_END;
    if (filled != TAR_READER_BLOCK) return TAR_READ_BROKEN;
    if (is_empty(block)) continue;
    if (!checksum_fits(block) || !number(block + SIZE, NUMBER_LENGTH, &size)) return TAR_READ_BROKEN;
    char type = (char)block[TYPE];
    if (type == 'x' || type == 'L' || type == 'K') {
      if (!read_said(reader, type, size, &said)) return TAR_READ_BROKEN;
      continue;
    }
    uint64_t padding = (TAR_READER_BLOCK - size % TAR_READER_BLOCK) % TAR_READER_BLOCK;
    if (type == 'g') {
      if (!skip(reader->fd, size) || !skip(reader->fd, padding)) return TAR_READ_BROKEN;
      continue;
    }
    if (!number(block + MODE, MODE_LENGTH, &mode)) return TAR_READ_BROKEN;
    read_header(block, &said, member);
    if (said.has_size) size = said.size;
    /* Only files have content, whatever the header of a link says. */
    if (member->type != '0') size = 0;
    member->mode = (mode_t)(mode & 07777);
    member->modified = number(block + MODIFIED, NUMBER_LENGTH, &modified) ? (int64_t)modified : 0;
    member->size = reader->left = size;
    reader->padding = (TAR_READER_BLOCK - size % TAR_READER_BLOCK) % TAR_READER_BLOCK;
    return member->path[0] ? TAR_READ_MEMBER : TAR_READ_BROKEN;
  }
}

ssize_t tar_reader_content(struct tar_reader *reader, void *bytes, size_t size) {
  if (size > reader->left) size = (size_t)reader->left;
  if (size == 0) return 0;
  if (read_all(reader->fd, bytes, size) != size) return -1;
  reader->left -= size;
  return (ssize_t)size;
}
