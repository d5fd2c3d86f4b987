#include "oom-report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `name` in KiB, in bytes; 0 when it is not there. */
static uint64_t amount(const char *text, const char *name) {
  const char *at = strstr(text, name);
  unsigned long long kib = at ? strtoull(at + strlen(name), NULL, 10) : 0;
  return kib > UINT64_MAX / 4096 ? 0 : kib * 1024;
}

static void copy_name(char name[OOM_NAME], const char *from, size_t length) {
  if (length > OOM_NAME - 1) length = OOM_NAME - 1;
  for (size_t i = 0; i < length; i++) name[i] = from[i] >= ' ' && from[i] < 127 ? from[i] : '?';
  name[length] = 0;
}

bool oom_report_parse(const char *record, struct oom_report *report) {
  static const char killed[] = ": Killed process ";
  char *end;
  unsigned long prefix = strtoul(record, &end, 10);
  /* The kernel lets no program write as facility 0, which is its own. */
  if (end == record || *end != ',' || prefix >> 3 != 0) return false;
  const char *message = strchr(end, ';');
  if (!message || (strncmp(message + 1, "Out of memory", 13) != 0 && strncmp(message + 1, "Memory cgroup out of memory", 27) != 0)) return false;
  const char *at = strstr(message, killed);
  if (!at) return false;
  at += sizeof killed - 1;
  unsigned long pid = strtoul(at, &end, 10);
  if (end == at || pid == 0 || pid > INT32_MAX || end[0] != ' ' || end[1] != '(') return false;
  const char *name = end + 2;
  /* A name may hold parentheses itself. */
  const char *rest = NULL;
  for (const char *next = name; (next = strstr(next, ") total-vm:")); next++) rest = next;
  if (!rest) return false;
  *report = (struct oom_report){.pid = (uint32_t)pid};
  report->bytes = amount(rest, "anon-rss:") + amount(rest, "file-rss:") + amount(rest, "shmem-rss:");
  copy_name(report->name, name, (size_t)(rest - name));
  return true;
}
