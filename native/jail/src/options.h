/* What the jail was asked to do. The host agent is the only caller; mistakes of its are still refused. */
#ifndef WRENN_JAIL_OPTIONS_H
#define WRENN_JAIL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "filter.h"

enum { LIST_LIMIT = 64, DESCRIPTOR_LIMIT = 16 };

/* A descriptor that the program gets (descriptors.h). */
struct wanted {
  enum { WANTED_SOCKET, WANTED_READABLE, WANTED_WRITABLE } kind;
  const char *name; /* of a socket in `run`; of a file, its path */
};

struct list {
  const char *items[LIST_LIMIT];
  size_t count;
};

struct options {
  const char *run; /* holds sockets and reports; the program does not see it */
  uid_t uid;
  gid_t gid;
  struct list cgroups;   /* cgroup.procs or tasks files to join */
  const char *namespace; /* network namespace to enter; NULL: an empty one of its own */
  struct list readable;
  struct list libraries; /* readable, and code may be run from it */
  struct list writable;
  struct wanted wanted[DESCRIPTOR_LIMIT];
  size_t wanted_count;
  struct list devices; /* below /dev; the machine gets nodes of its own */
  struct list environment;
  const char *system; /* directory that has the program, its libraries and data, in the place of the host's /usr; NULL: the host's */
  const struct filter_list *filter; /* system calls of the program; NULL: all */
  bool bare; /* a static program: nothing of the host's /usr is in its root */
  unsigned long file_mib; /* no file grows beyond this many MiB by the program's writes; 0: no limit */
  size_t console_limit; /* bytes of the console that are kept */
  char **program;
};

/* False, with a message on standard error, when the arguments make no sense. */
bool options_parse(int argc, char **argv, struct options *options);

#endif
