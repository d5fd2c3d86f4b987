/*
 * Descriptors that a program has from its first instruction on: files and listening sockets that are opened as root, where no user of
 * a machine can write, before the jail closes. Inside, no path leads to them.
 */
#ifndef WRENN_JAIL_DESCRIPTORS_H
#define WRENN_JAIL_DESCRIPTORS_H

#include <stdbool.h>

#include "options.h"

/* The program has them from this number on, in the order in which they were asked for. */
enum { FIRST_DESCRIPTOR = 4 };

struct descriptors {
  int fds[DESCRIPTOR_LIMIT];
  size_t count;
};

/*
 * Opens files, and binds sockets to names in `directory`, which is below /proc/self/fd. Files must be regular, belong to root and be no
 * links. False, with a message on standard error, when one cannot be had.
 */
bool descriptors_open(struct descriptors *descriptors, const struct options *options, int directory);
/* Lets the sockets listen: as the machine's user, whom peers see as the other side. */
bool descriptors_listen(const struct descriptors *descriptors, const struct options *options);
/* Gives them their numbers, in the process that becomes the program, and closes all others above. */
bool descriptors_place(const struct descriptors *descriptors);
void descriptors_close(struct descriptors *descriptors);

#endif
