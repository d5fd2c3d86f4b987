#define _GNU_SOURCE
#include "reports.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int make(int directory, const char *name) { return openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600); }

bool reports_open(struct reports *reports, int directory, size_t console_capacity) {
  reports->machine = make(directory, "machine.json");
  reports->exit = make(directory, "exit.json");
  return reports->machine >= 0 && reports->exit >= 0 && console_open(&reports->console, directory, console_capacity);
}

bool report_write(int fd, const char *text) { return write(fd, text, strlen(text)) == (ssize_t)strlen(text); }
