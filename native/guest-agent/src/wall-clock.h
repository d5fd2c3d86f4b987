/* The wall clock of the guest, in nanoseconds since 1970. */
#ifndef WRENN_WALL_CLOCK_H
#define WRENN_WALL_CLOCK_H

#include <stdint.h>

uint64_t wall_clock_ns(void);
/* Each returns 0 or an errno. Slewing runs the clock faster or slower, by 500 ppm, until the difference is gone; a step ends that. */
int wall_clock_slew(uint64_t ns);
int wall_clock_step(uint64_t ns);

#endif
