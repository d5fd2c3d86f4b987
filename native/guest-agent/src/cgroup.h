/* One cgroup per process that the host starts, so that a kill reaches every descendant and all can be frozen. */
#ifndef WRENN_CGROUP_H
#define WRENN_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CGROUP_PATH = 256 };

/* Stands for the cgroup that the running hook has: beside those of the processes, so that freezing them leaves it alone. */
#define CGROUP_HOOKS UINT64_MAX

struct cgroups {
  char root[CGROUP_PATH / 2]; /* where each process has its own; "" when there are none; set once at start */
  char hooks[CGROUP_PATH / 2];
  uint64_t most_of_one;       /* processes that one of them may hold; 0: any number */
  uint64_t last;              /* number of the newest */
  uint64_t spare;             /* one that is made already, and empty; 0: none */
  bool may_be_frozen;         /* they were frozen, and have not been seen thawed since */
  uint64_t *leftovers;        /* numbers of those that were given up while processes were still in them */
  size_t leftover_count;
  size_t sweep_at;
};

struct process_limits {
  uint64_t all; /* processes and threads of all commands together; 0: no limit */
  uint64_t of_one;
};

/* How many processes and threads commands may have in a kernel with room for `threads` and numbers for `pids`. */
struct process_limits cgroup_process_limits(uint64_t threads, uint64_t pids);
/* How much of the memory that is available at start users may have; 0: no limit. */
uint64_t cgroup_memory_limit(uint64_t available);

/* Prepares the guest's hierarchy at start; the agent runs without when that fails. */
bool cgroup_prepare(struct cgroups *cgroups);
/* Makes both below an existing cgroup (version 2) that is the agent's alone; called by tests, on any machine. */
bool cgroup_use(struct cgroups *cgroups, const char *parent);
bool cgroup_available(const struct cgroups *cgroups);

/* A new, empty cgroup; its number, 0 when it cannot be made. */
uint64_t cgroup_create(struct cgroups *cgroups);
/* Keeps one ready for the next cgroup_create(): to be called while no one waits. */
void cgroup_make_spare(struct cgroups *cgroups);
/* Removes a cgroup that no process is in; false when some are. */
bool cgroup_remove(const struct cgroups *cgroups, uint64_t number);
/* Gives a cgroup up: it is removed as soon as its last process has ended. */
void cgroup_release(struct cgroups *cgroups, uint64_t number);
/* A fork whose child is in the cgroup from its first moment, so that no signal to the cgroup misses it. The child may only do what is safe after a fork of threads. */
pid_t cgroup_fork(const struct cgroups *cgroups, uint64_t number);
/* A descriptor that stands for the cgroup, for child_start(); -1 with errno. */
int cgroup_open(const struct cgroups *cgroups, uint64_t number);
/* Signals the processes of a cgroup: those of one process group, or all when `group` is 0. */
void cgroup_signal(const struct cgroups *cgroups, uint64_t number, pid_t group, int signal);

/* Moves what is left in the cgroup of hooks into a new one among those of the processes, where it stands still with them. */
void cgroup_keep_hooks(struct cgroups *cgroups);

/* Kills all of them. */
void cgroup_kill_all(const struct cgroups *cgroups);
/* Freezes or thaws all of them; the kernel reports later that every process has stopped. */
bool cgroup_freeze(struct cgroups *cgroups, bool frozen);
/* Whether a new process would stand still at once. */
bool cgroup_is_frozen(struct cgroups *cgroups);
/* Waits until every process has stopped; false when that takes longer than some seconds. */
bool cgroup_frozen(const struct cgroups *cgroups);

#endif
