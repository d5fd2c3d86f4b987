/* Starting a child without copying the agent: it has the agent's memory until its program runs. */
#ifndef WRENN_CHILD_START_H
#define WRENN_CHILD_START_H

#include <sys/types.h>

#include "child.h"

/*
 * Starts the child, in the cgroup that the descriptor stands for unless it is -1. Returns its pid once its program runs or it has
 * exited, -1 with errno when there is none. The caller stands still until then: a program that comes from a file system which
 * waits for another process, or a frozen cgroup, must be started with a fork instead. One thread at a time may call it.
 */
pid_t child_start(const struct child *child, int cgroup);

#endif
