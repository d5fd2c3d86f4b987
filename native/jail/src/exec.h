/*
 * A program under a filter is executed once. The filter is in force before, and no rule of a list allows execve: the supervisor
 * listens to that call, lets the first one go on and closes its listener. Any later execve returns ENOSYS.
 */
#ifndef WRENN_JAIL_EXEC_H
#define WRENN_JAIL_EXEC_H

#include <stdbool.h>

#include "filter.h"

/* In the program's process: puts it under the filter and sends the listener over `report`; false, with errno, on failure. */
bool exec_filter(const struct filter_list *list, int report);

/* In the supervisor. Returns also when the program ended before, which the next read of `report` tells. */
void exec_allow_once(int report);

#endif
