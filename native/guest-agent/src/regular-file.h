/* Text files that the agent itself reads, by paths at which the guest's users may have put anything. */
#ifndef WRENN_REGULAR_FILE_H
#define WRENN_REGULAR_FILE_H

#include <stdio.h>

/* Opens a file for reading without ever waiting: NULL for what is not a regular file, or too large. */
FILE *regular_file_open(const char *path);

#endif
