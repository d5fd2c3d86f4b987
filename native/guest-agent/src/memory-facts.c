#include "memory-facts.h"

#include <stdio.h>
#include <string.h>

#include "regular-file.h"

uint64_t memory_facts(const char *name) {
  FILE *file = regular_file_open("/proc/meminfo");
  char line[256];
  unsigned long long kib = 0;
  size_t length = strlen(name);
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, name, length) == 0 && line[length] == ':') (void)sscanf(line + length + 1, "%llu", &kib);
  if (file) fclose(file);
  return kib * 1024;
}
