/*
 * What a new process is before its program runs: the same for commands and restore hooks. Nothing of the agent is handed down
 * but the descriptors that are named here.
 */
#ifndef WRENN_CHILD_H
#define WRENN_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "users.h"

struct limit {
  uint32_t resource;
  uint64_t soft;
  uint64_t hard;
};

struct child {
  const struct user *user;
  const char *cwd;
  char **arguments;   /* NULL-terminated */
  char **environment; /* NULL-terminated */
  const char *path;   /* where the program is looked for */
  const struct limit *limits;
  uint32_t limit_count;
  bool terminal; /* the input is a terminal, which becomes the controlling one */
  int input;
  int output;
  int errors;
};

/* Sets the signals of the agent: a child expects that it ignores SIGPIPE and no other. Called once, before anything is started. */
void child_prepare_signals(void);

/* Becomes the child, after a fork of threads or in memory that it shares with the agent (child-start.h). What goes wrong is written to its standard error; then it exits with 126 or 127. */
_Noreturn void child_run(const struct child *child);

/* Opens what the two below need where /dev has been emptied or covered: to be called once, at start. */
void child_prepare_devices(void);

/* The master of a new terminal, -1 with errno. */
int child_terminal(void);

/* Standard input without any bytes, -1 with errno. What a user put in the place of /dev/null is not waited for. */
int child_empty_input(void);

#endif
