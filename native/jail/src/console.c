#define _GNU_SOURCE
#include "console.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool start(struct console *console) {
  console->fd = openat(console->directory, "console.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  console->written = 0;
  return console->fd >= 0;
}

bool console_open(struct console *console, int directory, size_t limit) {
  *console = (struct console){.directory = directory, .half = limit / 2};
  return start(console);
}

void console_write(struct console *console, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0 && console->fd >= 0) {
    size_t room = console->half - console->written;
    size_t part = length < room ? length : room;
    ssize_t n = write(console->fd, at, part);
    /* A full disk costs log lines, not the machine. */
    if (n <= 0) return;
    at += n;
    length -= (size_t)n;
    console->written += (size_t)n;
    if (console->written < console->half) continue;
    close(console->fd);
    (void)renameat(console->directory, "console.log", console->directory, "console.log.1");
    (void)start(console);
  }
}
