/*
 * The open directories on the way down a tree. Only the deepest few hold a descriptor, always the last two: a parent further up
 * is opened again through "..", and checked to be the same directory, so that neither depth nor path length is limited.
 */
#ifndef WRENN_DESCENT_H
#define WRENN_DESCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct directory {
  int fd; /* -1 while too many below it are open */
  dev_t device;
  ino_t inode;
};

struct descent {
  struct directory *directories;
  size_t depth;
  size_t room;
};

/* Opens a directory for a descent, never through a link; one that may not be read can still be walked through. -1 with errno. */
int descent_open(int parent, const char *name);
/* Makes `fd` the deepest directory, and owns it even on failure; 0 or an errno. */
int descent_enter(struct descent *d, int fd);
/* Closes the deepest directory; 0 or an errno, after which the descent can only end: EBUSY when a directory above it was moved. */
int descent_leave(struct descent *d);
/* Descriptor of the deepest directory. */
int descent_fd(const struct descent *d);
void descent_end(struct descent *d);

#endif
