/* What the jail was asked to do. The host agent is the only caller; mistakes of its are still refused. */
#ifndef WRENN_JAIL_OPTIONS_H
#define WRENN_JAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "filter.h"

enum { LIST_LIMIT = 64 };

struct list {
  const char *items[LIST_LIMIT];
  size_t count;
};

struct options {
  const char *run; /* the machine's own directory: writable, holds the reports */
  uid_t uid;
  gid_t gid;
  struct list cgroups;   /* cgroup.procs or tasks files to join */
  const char *namespace; /* network namespace to enter; NULL: an empty one of its own */
  struct list readable;
  struct list libraries; /* readable, and code may be run from it */
  struct list writable;
  struct list devices; /* below /dev; the machine gets nodes of its own */
  struct list environment;
  const char *system; /* directory that has the program, its libraries and data, in the place of the host's /usr; NULL: the host's */
  const struct filter_list *filter; /* system calls of the program; NULL: all */
  unsigned long file_mib; /* no file grows beyond this many MiB by the program's writes; 0: no limit */
  size_t console_limit; /* bytes that console.log and console.log.1 hold together at most */
  char **program;
};

/* False, with a message on standard error, when the arguments make no sense. */
bool options_parse(int argc, char **argv, struct options *options);

#endif
