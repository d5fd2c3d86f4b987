/* The file system a machine sees: nothing but what it was given. */
#ifndef WRENN_JAIL_ROOT_H
#define WRENN_JAIL_ROOT_H

#include "options.h"

/* Makes the calling process's mount namespace such a root; false, with a message, when a step fails. */
bool root_build(const struct options *options);

#endif
