/* Whether this process can be forked: a fork has neither the threads of its parent nor, here, the descriptors. */
#ifndef WRENN_ZYGOTE_FORKABLE_H
#define WRENN_ZYGOTE_FORKABLE_H

#include <stdbool.h>

/*
 * NULL, or the reason against it: a library that opened a file, or that started a thread beside the one that `has_thread` says is
 * made again. Waits until that thread waits too: it holds no lock then, and no fork finds one held.
 *
 * @param descriptors how many descriptors, from 0 on, are the process's own.
 */
const char *forkable_problem(int descriptors, bool has_thread);

#endif
