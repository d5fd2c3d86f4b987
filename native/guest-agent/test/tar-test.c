/* Tar headers: checksums, and pax records for what ustar cannot say. */
#define _GNU_SOURCE
#include "../src/tar.h"

#include <string.h>

#include "check.h"

static unsigned long octal(const uint8_t *field, int digits) {
  unsigned long value = 0;
  for (int i = 0; i < digits; i++) value = value * 8 + (unsigned long)(field[i] - '0');
  return value;
}

static void checksum_holds(const uint8_t *block) {
  unsigned long sum = 0;
  for (int i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : block[i];
  CHECK(octal(block + 148, 6) == sum);
  CHECK(memcmp(block + 257, "ustar\00000", 8) == 0);
}

static void every_name_length(void) {
  char name[600];
  for (size_t length = 1; length < sizeof name - 1; length++) {
    struct buffer out = {0};
    struct stat st = {.st_mode = S_IFREG | 0644, .st_size = 5, .st_mtim.tv_sec = 1700000000};
    memset(name, 'n', length);
    name[length] = 0;
    CHECK(tar_header(&out, name, "", &st));
    CHECK(buffer_length(&out) % TAR_BLOCK == 0);
    const uint8_t *block = buffer_data(&out);
    checksum_holds(block);
    if (length > 100) {
      char record[700];
      unsigned long size = octal(block + 124, 11);
      CHECK(block[156] == 'x');
      int n = snprintf(record, sizeof record, "%lu path=%s\n", size, name);
      CHECK(n == (int)size && memcmp(block + TAR_BLOCK, record, size) == 0);
      block += TAR_BLOCK + size + tar_padding(size);
      checksum_holds(block);
    }
    CHECK(block + TAR_BLOCK == buffer_data(&out) + buffer_length(&out));
    CHECK(block[156] == '0' && octal(block + 124, 11) == 5 && octal(block + 136, 11) == 1700000000);
    buffer_free(&out);
  }
}

int main(void) {
  struct buffer out = {0};
  every_name_length();
  struct stat st = {.st_mode = S_IFREG | 0600, .st_size = 8589934592, .st_uid = 3000000};
  CHECK(tar_header(&out, "big", "", &st));
  CHECK(memmem(buffer_data(&out), 1024, "size=8589934592\n", 16) && memmem(buffer_data(&out), 1024, "uid=3000000\n", 12));
  buffer_free(&out);
  st = (struct stat){.st_mode = S_IFSOCK | 0600};
  CHECK(!tar_header(&out, "socket", "", &st));
  CHECK(tar_padding(0) == 0 && tar_padding(1) == 511 && tar_padding(512) == 0);
  return 0;
}
