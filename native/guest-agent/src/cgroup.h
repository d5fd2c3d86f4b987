/* One cgroup per process, so that a kill reaches every descendant. Without cgroups, sessions stand in. */
#ifndef WRENN_CGROUP_H
#define WRENN_CGROUP_H

#include <stdbool.h>

#include "agent.h"

bool cgroup_create(struct agent *agent, uint32_t handle);
void cgroup_remove(struct agent *agent, uint32_t handle);
/* Puts the calling process (a fresh child) into the cgroup. Async-signal-safe. */
void cgroup_enter(const char *procs_path);
void cgroup_procs_path(uint32_t handle, char path[64]);
/* Signals every process of the cgroup, or of the session of `leader` where there are no cgroups. */
void cgroup_signal(struct agent *agent, uint32_t handle, pid_t leader, int number);
bool cgroup_freeze_all(bool frozen);
/* Prepares the hierarchy at start; the agent runs without when that fails. */
bool cgroup_prepare(void);

#endif
