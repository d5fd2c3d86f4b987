/* The files that name a machine: its hostname and its machine id. */
#ifndef WRENN_NAMES_H
#define WRENN_NAMES_H

#include <stdbool.h>

/* Called for each file that could not be written. */
typedef void names_warning(void *context, const char *path, const char *problem);

/* Gives the kernel its hostname, and `old` the one before. False when that is refused. */
bool hostname_set(const char *hostname, char old[65]);
/* Writes the hostname into its files, where it takes the place of `old`. May wait for a slow file system. */
void hostname_write(const char *hostname, const char *old, names_warning *warn, void *context);
/* Writes the machine id, 32 hex digits. May wait for a slow file system. */
void machine_id_write(const char *id, names_warning *warn, void *context);

#endif
