#ifndef WRENN_LIMITS_H
#define WRENN_LIMITS_H
#include <stdbool.h>
/* Limits what the program may use, for good. False when the kernel refuses. */
bool limits_set(unsigned long memory_mib);
#endif
