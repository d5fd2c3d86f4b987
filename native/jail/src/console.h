/*
 * The machine's console, bounded: when half of the limit is full, console.log becomes console.log.1.
 * The bytes come from the guest and the VMM: they are stored, never interpreted.
 */
#ifndef WRENN_JAIL_CONSOLE_H
#define WRENN_JAIL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct console {
  int directory;
  int fd;
  size_t written;
  size_t half;
};

bool console_open(struct console *console, int directory, size_t limit);
void console_write(struct console *console, const void *bytes, size_t length);

#endif
