/*
 * The jail around one program, and the life of its supervisor: the same steps whether the program is executed (wrenn-jail)
 * or forked from a process that has loaded it (native/zygote).
 */
#ifndef WRENN_JAIL_SUPERVISE_H
#define WRENN_JAIL_SUPERVISE_H

#include <stdbool.h>

#include "options.h"

/* How the program is started. */
struct way {
  /*
   * Runs in the process of the program, which is in the jail and has lost its rights. Executing the program closes `report`;
   * an errno written to it says why that failed. Does not return.
   */
  void (*begin)(const struct options *options, int report);
  /* Hands the line of JSON to whoever asked for the program; false when it is not wanted any more, and is ended. */
  bool (*announce)(const char *line);
  /* The program waits in `begin` until the supervisor writes a byte to `report`, which it does once the line is delivered. */
  bool held;
};

/*
 * Makes the calling process, which must have a single thread, the supervisor of the program. On failure the process ends with a
 * message on descriptor 2, and nothing runs.
 */
_Noreturn void supervise(const struct options *options, const struct way *way);

#endif
