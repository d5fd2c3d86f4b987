/* Landlock (Documentation/userspace-api/landlock.rst), where the kernel has it: what the jail's mounts and namespaces leave. */
#ifndef WRENN_JAIL_CONFINE_H
#define WRENN_JAIL_CONFINE_H

#include <stdbool.h>

#include "options.h"

/*
 * Puts the calling thread and those that it makes into a domain: files are written and made only where the machine writes, and
 * links, directories, device nodes and pipes nowhere. Programs are executed only where libraries are. True, with nothing done, on a
 * kernel without Landlock; false, with a message, when it fails.
 */
bool confine(const struct options *options);

#endif
