#define _GNU_SOURCE
#include "tar.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Offsets and sizes of the ustar header's fields. */
enum {
  NAME = 0,
  NAME_SIZE = 100,
  MODE = 100,
  UID = 108,
  GID = 116,
  SIZE = 124,
  MTIME = 136,
  CHECKSUM = 148,
  TYPE = 156,
  LINK = 157,
  MAGIC = 257,
  MAJOR = 329,
  MINOR = 337,
};

enum { ID_MAX = 07777777 };

static const uint64_t size_max = 077777777777;

static char type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return '0';
    case S_IFLNK:
      return '2';
    case S_IFCHR:
      return '3';
    case S_IFBLK:
      return '4';
    case S_IFDIR:
      return '5';
    case S_IFIFO:
      return '6';
    default:
      return 0;
  }
}

/* digits octal digits and a NUL; a value that does not fit is written as 0 and stands in a pax record. */
static void octal(uint8_t *field, int digits, uint64_t value) {
  for (int i = digits - 1; i >= 0; i--, value >>= 3) field[i] = (uint8_t)('0' + (value & 7));
}

static void cut_text(uint8_t *field, const char *text) {
  size_t length = strlen(text);
  memcpy(field, text, length < NAME_SIZE ? length : NAME_SIZE);
}

static void finish_block(struct buffer *out, uint8_t block[TAR_BLOCK]) {
  unsigned int sum = 0;
  memcpy(block + MAGIC, "ustar\00000", 8);
  memset(block + CHECKSUM, ' ', 8);
  for (int i = 0; i < TAR_BLOCK; i++) sum += block[i];
  octal(block + CHECKSUM, 6, sum);
  block[CHECKSUM + 6] = 0;
  (void)buffer_append(out, block, TAR_BLOCK);
}

size_t tar_padding(uint64_t size) { return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK); }

static void pad(struct buffer *out, uint64_t size) {
  static const uint8_t zeros[TAR_BLOCK];
  (void)buffer_append(out, zeros, tar_padding(size));
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void pax_record(struct buffer *records, const char *key, const char *value) {
  size_t rest = strlen(key) + strlen(value) + 3;
  size_t length = rest + 1;
  char digits[24];
  for (;;) {
    size_t whole = rest + (size_t)snprintf(digits, sizeof digits, "%zu", length);
    if (whole == length) break;
    length = whole;
  }
  (void)buffer_append(records, digits, strlen(digits));
  (void)buffer_append(records, " ", 1);
  (void)buffer_append(records, key, strlen(key));
  (void)buffer_append(records, "=", 1);
  (void)buffer_append(records, value, strlen(value));
  (void)buffer_append(records, "\n", 1);
}

static void pax_number(struct buffer *records, const char *key, long long value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", value);
  pax_record(records, key, text);
}

static void pax_header(struct buffer *out, const struct buffer *records) {
  uint8_t block[TAR_BLOCK] = {0};
  size_t length = buffer_length(records);
  if (length == 0) return;
  cut_text(block + NAME, "PaxHeader");
  octal(block + MODE, 7, 0644);
  octal(block + UID, 7, 0);
  octal(block + GID, 7, 0);
  octal(block + SIZE, 11, length);
  octal(block + MTIME, 11, 0);
  block[TYPE] = 'x';
  finish_block(out, block);
  (void)buffer_append(out, buffer_data(records), length);
  pad(out, length);
}

bool tar_header(struct buffer *out, const char *name, const char *link, const struct stat *st) {
  char type = type_of(st->st_mode);
  uint64_t size = type == '0' ? (uint64_t)st->st_size : 0;
  bool odd_time = st->st_mtim.tv_sec < 0 || (uint64_t)st->st_mtim.tv_sec > size_max;
  struct buffer records = {0};
  uint8_t block[TAR_BLOCK] = {0};
  if (!type) return false;
  if (strlen(name) > NAME_SIZE) pax_record(&records, "path", name);
  if (strlen(link) > NAME_SIZE) pax_record(&records, "linkpath", link);
  if (size > size_max) pax_number(&records, "size", (long long)size);
  if (st->st_uid > ID_MAX) pax_number(&records, "uid", st->st_uid);
  if (st->st_gid > ID_MAX) pax_number(&records, "gid", st->st_gid);
  if (odd_time) pax_number(&records, "mtime", st->st_mtim.tv_sec);
  pax_header(out, &records);
  buffer_free(&records);
  cut_text(block + NAME, name);
  cut_text(block + LINK, link);
  octal(block + MODE, 7, st->st_mode & 07777);
  octal(block + UID, 7, st->st_uid > ID_MAX ? 0 : st->st_uid);
  octal(block + GID, 7, st->st_gid > ID_MAX ? 0 : st->st_gid);
  octal(block + SIZE, 11, size > size_max ? 0 : size);
  octal(block + MTIME, 11, odd_time ? 0 : (uint64_t)st->st_mtim.tv_sec);
  block[TYPE] = (uint8_t)type;
  if (type == '3' || type == '4') {
    octal(block + MAJOR, 7, major(st->st_rdev));
    octal(block + MINOR, 7, minor(st->st_rdev));
  }
  finish_block(out, block);
  return true;
}

void tar_finish(struct buffer *out) {
  static const uint8_t zeros[2 * TAR_BLOCK];
  (void)buffer_append(out, zeros, sizeof zeros);
}
