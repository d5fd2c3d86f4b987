#define _GNU_SOURCE
#include "console.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1, VERSION_AT = 8, CAPACITY_AT = 12, TOTAL_AT = 16 };

static void put(unsigned char *at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static bool write_header(const struct console *console) {
  unsigned char header[CONSOLE_HEADER] = {0};
  memcpy(header, "WRENNCON", VERSION_AT);
  put(header + VERSION_AT, VERSION, 4);
  put(header + CAPACITY_AT, console->capacity, 4);
  put(header + TOTAL_AT, console->total, 8);
  return pwrite(console->fd, header, sizeof header, 0) == (ssize_t)sizeof header;
}

bool console_open(struct console *console, int directory, size_t capacity) {
  int fd = openat(directory, CONSOLE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  *console = (struct console){.fd = fd, .capacity = capacity};
  return fd >= 0 && write_header(console);
}

/* The bytes first: whatever the count includes is there. What a write under way takes from the oldest is at most one `length`. */
void console_write(struct console *console, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    size_t place = (size_t)(console->total % console->capacity);
    size_t room = console->capacity - place;
    size_t part = length < room ? length : room;
    /* A full disk costs bytes of the log, not the machine. */
    if (pwrite(console->fd, at, part, (off_t)(CONSOLE_HEADER + place)) != (ssize_t)part) return;
    console->total += part;
    if (!write_header(console)) return;
    at += part;
    length -= part;
  }
}
