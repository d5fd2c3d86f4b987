/* What the kernel says about the machine's memory. */
#ifndef WRENN_MEMORY_FACTS_H
#define WRENN_MEMORY_FACTS_H

#include <stdint.h>

/* A field of /proc/meminfo in bytes (proc_meminfo(5)); 0 when it is missing. */
uint64_t memory_facts(const char *name);

#endif
