/* The kernel's line about a process that it killed for lack of memory. */
#ifndef WRENN_OOM_REPORT_H
#define WRENN_OOM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

enum { OOM_NAME = 64 };

struct oom_report {
  uint32_t pid;
  uint64_t bytes; /* of memory that it held */
  char name[OOM_NAME];
};

/* Reads a record of /dev/kmsg; false for any other, and for one that a program wrote there. */
bool oom_report_parse(const char *record, struct oom_report *report);

#endif
