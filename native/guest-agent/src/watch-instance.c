#define _GNU_SOURCE
#include "watch-instance.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel counts instances and their watches for each user, at the moment an instance is made. Those of the agent count for a
 * user that no program is, so that they take nothing from what programs of root and of others may have.
 */
enum { KEEP = -1 };
static const uid_t account = 4294967290U;

int watch_instance(const struct user *user) {
  /* The raw call changes this thread only. Where there is no such user, as in a user namespace, the agent's own account must do. */
  bool is_other = geteuid() == 0 && syscall(SYS_setresuid, KEEP, account, KEEP) == 0;
  int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  int problem = errno;
  if (!is_other) return inotify;
  if (syscall(SYS_setresuid, KEEP, 0, KEEP) || !user_assume(user)) {
    if (inotify >= 0) close(inotify);
    inotify = -1;
    problem = EPERM;
  }
  errno = problem;
  return inotify;
}

int watch_descriptor(int inotify, int fd, unsigned int events) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return inotify_add_watch(inotify, path, events);
}
