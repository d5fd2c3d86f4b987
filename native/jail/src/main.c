/*
 * Starts one program in a jail and stays as its supervisor.
 *
 * On success one line of JSON (the program's pid and start time) goes to standard output, which is then closed;
 * on failure a message goes to standard error and nothing runs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec.h"
#include "options.h"
#include "supervise.h"

static void execute(const struct options *options, int report) {
  char *environment[LIST_LIMIT + 1] = {0};
  for (size_t i = 0; i < options->environment.count; i++) environment[i] = (char *)(uintptr_t)options->environment.items[i];
  if (!options->filter || exec_filter(options->filter, report)) execve(options->program[0], options->program, environment);
  int problem = errno;
  ssize_t ignored = write(report, &problem, sizeof problem);
  (void)ignored;
}

/* A caller that has gone is no reason to end the program: it is found by its directory. */
static bool print(const char *line) {
  ssize_t ignored = write(1, line, strlen(line));
  (void)ignored;
  return true;
}

int main(int argc, char **argv) {
  static struct options options;
  if (!options_parse(argc, argv, &options)) return 2;
  /* What the caller's parents left open is not for the supervisor. */
  (void)syscall(SYS_close_range, 3u, ~0u, 0u);
  supervise(&options, &(struct way){.begin = execute, .announce = print});
}
