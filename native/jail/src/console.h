/*
 * The machine's console, bounded: a file with a header and a ring of the last bytes. It is opened once and never renamed, so that the
 * supervisor needs no directory. Readers see by the count how much was written in all (packages/vmm/src/console/console-ring.ts).
 * The bytes come from the guest and the VMM: they are stored, never interpreted.
 *
 * Header, little-endian: magic "WRENNCON", version (4 bytes), capacity of the ring (4), bytes written in all (8), 8 bytes of zeros.
 */
#ifndef WRENN_JAIL_CONSOLE_H
#define WRENN_JAIL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_NAME "console.ring"

enum { CONSOLE_HEADER = 32, CONSOLE_WRITE = 16384 };

struct console {
  int fd;
  uint64_t total;
  size_t capacity;
};

/* Makes the file in a directory. The ring has `capacity` bytes, at least one. */
bool console_open(struct console *console, int directory, size_t capacity);
/* Writers give at most CONSOLE_WRITE bytes at once, which readers take for unsteady at the old end of the ring. */
void console_write(struct console *console, const void *bytes, size_t length);

#endif
