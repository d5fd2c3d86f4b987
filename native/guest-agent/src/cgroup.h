/* One cgroup per process that the host starts, so that a kill reaches every descendant and all can be frozen. */
#ifndef WRENN_CGROUP_H
#define WRENN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CGROUP_PATH = 256 };

/* Prepares the guest's hierarchy at start; the agent runs without when that fails. */
bool cgroup_prepare(void);
/* Uses an existing cgroup (version 2) instead, for tests on any machine. */
bool cgroup_use(const char *root);
bool cgroup_available(void);

/* A new, empty cgroup; its number, 0 when it cannot be made. */
uint64_t cgroup_create(void);
/* Removes a cgroup that no process is in; false when some are. */
bool cgroup_remove(uint64_t number);
/* Gives a cgroup up: it is removed as soon as its last process has ended. */
void cgroup_release(uint64_t number);
/* A fork whose child is in the cgroup from its first moment, so that no signal to the cgroup misses it. The child may only do what is safe after a fork of threads. */
pid_t cgroup_fork(uint64_t number);
/* Signals the processes of a cgroup: those of one process group, or all when `group` is 0. */
void cgroup_signal(uint64_t number, pid_t group, int signal);

/* Freezes or thaws all of them; the kernel says later that everything stands still. */
bool cgroup_freeze(bool frozen);
/* Waits until everything stands still; false when it does not within some seconds. */
bool cgroup_frozen(void);

#endif
