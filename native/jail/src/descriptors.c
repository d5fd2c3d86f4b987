#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16, ABOVE_ALL = 256 };

static int refuse(int fd, int problem) {
  close(fd);
  errno = problem;
  return -1;
}

static int open_file(const struct wanted *wanted) {
  struct stat st;
  int fd = open(wanted->name, (wanted->kind == WANTED_WRITABLE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &st)) return -1;
  if (!S_ISREG(st.st_mode) || st.st_uid != 0) return refuse(fd, EPERM);
  /* It was for files that are none, which an open must not wait for. */
  return fcntl(fd, F_SETFL, 0) ? refuse(fd, errno) : fd;
}

/* The mode of the descriptor becomes that of the name. */
static int bind_socket(const char *name, int directory) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strchr(name, '/') || snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name) >= (int)sizeof address.sun_path) {
    errno = EINVAL;
    return -1;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&address, sizeof address)) return refuse(fd, errno);
  return fd;
}

bool descriptors_open(struct descriptors *descriptors, const struct options *options, int directory) {
  descriptors->count = 0;
  for (size_t i = 0; i < options->wanted_count; i++) {
    const struct wanted *wanted = &options->wanted[i];
    int fd = wanted->kind == WANTED_SOCKET ? bind_socket(wanted->name, directory) : open_file(wanted);
    if (fd < 0) {
      dprintf(2, "wrenn-jail: %s: %s\n", wanted->name, strerror(errno));
      return false;
    }
    descriptors->fds[descriptors->count++] = fd;
  }
  return true;
}

bool descriptors_listen(const struct descriptors *descriptors, const struct options *options) {
  for (size_t i = 0; i < descriptors->count; i++)
    if (options->wanted[i].kind == WANTED_SOCKET && listen(descriptors->fds[i], BACKLOG)) return false;
  return true;
}

bool descriptors_place(const struct descriptors *descriptors) {
  int moved[DESCRIPTOR_LIMIT];
  /* Their present numbers may be those that others of them get. */
  for (size_t i = 0; i < descriptors->count; i++)
    if ((moved[i] = fcntl(descriptors->fds[i], F_DUPFD_CLOEXEC, ABOVE_ALL)) < 0) return false;
  for (size_t i = 0; i < descriptors->count; i++)
    if (dup2(moved[i], FIRST_DESCRIPTOR + (int)i) < 0) return false;
  return syscall(SYS_close_range, (unsigned)FIRST_DESCRIPTOR + (unsigned)descriptors->count, ~0u, 0u) == 0;
}

void descriptors_close(struct descriptors *descriptors) {
  for (size_t i = 0; i < descriptors->count; i++) close(descriptors->fds[i]);
  descriptors->count = 0;
}
