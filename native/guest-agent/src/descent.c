#define _GNU_SOURCE
#include "descent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The outermost directory stays open too: paths of hard links begin there. */
enum { OPEN_DIRECTORIES = 16, FIRST_ROOM = 16 };

int descent_open(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd;
}

static bool make_room(struct descent *d) {
  if (d->depth < d->room) return true;
  size_t room = d->room > 0 ? d->room * 2 : FIRST_ROOM;
  struct directory *directories = realloc(d->directories, room * sizeof *directories);
  if (!directories) return false;
  d->directories = directories;
  d->room = room;
  return true;
}

int descent_enter(struct descent *d, int fd) {
  struct stat st;
  int problem = fstat(fd, &st) ? errno : make_room(d) ? 0 : ENOMEM;
  if (problem) {
    close(fd);
    return problem;
  }
  d->directories[d->depth++] = (struct directory){fd, st.st_dev, st.st_ino};
  if (d->depth > OPEN_DIRECTORIES + 1) {
    struct directory *upper = &d->directories[d->depth - OPEN_DIRECTORIES - 1];
    close(upper->fd);
    upper->fd = -1;
  }
  return 0;
}

static int open_parent(const struct directory *child, struct directory *parent) {
  struct stat st;
  int fd = descent_open(child->fd, "..");
  if (fd < 0) return errno;
  int problem = fstat(fd, &st) ? errno : st.st_dev == parent->device && st.st_ino == parent->inode ? 0 : EBUSY;
  if (problem)
    close(fd);
  else
    parent->fd = fd;
  return problem;
}

int descent_leave(struct descent *d) {
  close(d->directories[--d->depth].fd);
  struct directory *deepest = d->depth > 0 ? &d->directories[d->depth - 1] : NULL;
  /* Opened now and not when it is left: until then the caller may have taken the right to search the deepest directory away. */
  return d->depth > 1 && deepest[-1].fd < 0 ? open_parent(deepest, deepest - 1) : 0;
}

int descent_fd(const struct descent *d) { return d->directories[d->depth - 1].fd; }

void descent_end(struct descent *d) {
  for (size_t i = 0; i < d->depth; i++)
    if (d->directories[i].fd >= 0) close(d->directories[i].fd);
  free(d->directories);
  *d = (struct descent){0};
}
