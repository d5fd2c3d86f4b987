/* An inotify instance that belongs to the agent, whoever's rights its watches are made with. */
#ifndef WRENN_WATCH_INSTANCE_H
#define WRENN_WATCH_INSTANCE_H

#include "users.h"

/* A new instance, -1 with errno. The thread has the rights of `user` before and after. */
int watch_instance(const struct user *user);
/* Watches the directory or file behind a descriptor; the watch descriptor, or -1 with errno. */
int watch_descriptor(int inotify, int fd, unsigned int events);

#endif
