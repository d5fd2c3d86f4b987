/*
 * What ps and /proc/PID show of a process that was forked instead of executed. The kernel shows the memory in which the command line
 * and the environment of the program were laid; the zygote is started with room in both, which is overwritten. No right is needed.
 */
#ifndef WRENN_ZYGOTE_COMMAND_LINE_H
#define WRENN_ZYGOTE_COMMAND_LINE_H

#include <stddef.h>

/* Remembers where they are. To be called before anything is shown. */
void command_line_find(char **argv, char **environment);

/*
 * Shows these words, with NULL after the last, and zero bytes behind them; of words for which there is no room, none. The words must
 * not be those that are shown.
 */
void command_line_show(const char *const *words, const char *const *environment);

/* The name of the process, as `comm` shows it: the last part of the program's path. */
void command_line_name(const char *program);

#endif
