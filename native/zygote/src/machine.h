/* One machine: what a process forked for a request does. */
#ifndef WRENN_ZYGOTE_MACHINE_H
#define WRENN_ZYGOTE_MACHINE_H

#include "loaded.h"
#include "requests.h"

/*
 * Builds the jail that the request describes and runs the program in it. Descriptors 1 and 2 are the answer: a line of JSON, after
 * which a byte is awaited that says it was delivered, or a message. Nothing else of the zygote may be open.
 */
_Noreturn void machine_run(const struct request *request, const struct loaded *loaded);

#endif
