/* The first process of the guest: from the kernel's hand-over to a mounted system with the agent in it. */
#ifndef WRENN_INIT_H
#define WRENN_INIT_H

/* Runs as PID 1 and never returns there; returns in the child that becomes the agent. */
void init_guest(void);

#endif
