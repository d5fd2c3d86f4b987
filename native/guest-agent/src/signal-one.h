/* Signals that cannot hit a stranger who got the pid meanwhile. */
#ifndef WRENN_SIGNAL_ONE_H
#define WRENN_SIGNAL_ONE_H

#include <stdint.h>
#include <sys/types.h>

/* Signals one process, with `group` other than 0 only while it is in that process group. */
void signal_one(pid_t pid, pid_t group, int signal);
/*
 * Signals the processes of a group, or of a session, by /proc. Their number is free for others once all have ended:
 * nothing is done when `leader` lives with another start time than it had.
 */
void signal_by_proc(pid_t leader, uint64_t start_time, int signal, int session);

#endif
