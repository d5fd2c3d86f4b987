/* All processes of users in a guest, wherever they moved themselves: what a power-off ends. */
#ifndef WRENN_ALL_PROCESSES_H
#define WRENN_ALL_PROCESSES_H

#include <stdint.h>

/* How many run: all but PID 1, this process and the kernel's. */
uint32_t all_processes_count(void);
/* Asks all of them to end: SIGTERM, and to shells of terminals, which ignore that, SIGHUP. */
void all_processes_terminate(void);
void all_processes_kill(void);

#endif
