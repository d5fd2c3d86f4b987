/*
 * What the supervisor says of its program, in files that are opened while it is root: later it can open none, and the directory
 * belongs to root. exit.json is empty until the program has ended.
 */
#ifndef WRENN_JAIL_REPORTS_H
#define WRENN_JAIL_REPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "console.h"

struct reports {
  int machine;
  int exit;
  struct console console;
};

/* Makes the files in a directory; false, with errno, when that fails. */
bool reports_open(struct reports *reports, int directory, size_t console_capacity);
/* Writes the one text of a report. */
bool report_write(int fd, const char *text);

#endif
