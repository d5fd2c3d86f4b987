/* Whether the size that a file says it has is how many bytes it gives. */
#ifndef WRENN_MEASURE_H
#define WRENN_MEASURE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether only reading tells where the open file ends, as in /proc, /sys, and file systems that programs make up. */
bool is_unmeasured(int fd, off_t size);
/* Whether the file system that `fd` is on is one of the kernel's own: its files are made up while they are read, and some cannot be. */
bool is_of_kernel(int fd);

#endif
