#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../jail/src/filter.h"
#include "../../jail/src/options.h"
#include "../../jail/src/supervise.h"
#include "command-line.h"

enum { ANSWER = 1 };

/* Set once in each process that is forked for a request, and read by the steps of the jail. */
static const struct loaded *program;
static char *environment[LIST_LIMIT + 1];

static _Noreturn void refuse(const char *problem) {
  dprintf(2, "wrenn-zygote: %s\n", problem);
  _exit(1);
}

static void begin(const struct options *options, int report) {
  char released = 0;
  command_line_show((const char *const *)options->program, (const char *const *)environment);
  command_line_name(options->program[0]);
  environ = environment;
  /* All threads: QEMU's fork handlers have made one. */
  if (options->filter && filter_install(options->filter, FILTER_EXEC_KILLED)) refuse(strerror(errno));
  if (read(report, &released, 1) != 1) _exit(1);
  close(report);
  int count = 0;
  while (options->program[count]) count++;
  exit(program->main(count, options->program, environment));
}

static bool announce(const char *line) {
  char delivered = 0;
  size_t length = strlen(line);
  return write(ANSWER, line, length) == (ssize_t)length && read(ANSWER, &delivered, 1) == 1;
}

/*
 * Machines of one zygote share its addresses, but not the value that guards return addresses on the stack. A thread has the value of
 * the one that makes it. No function that began with the old one returns.
 */
__attribute__((always_inline)) static inline void renew_stack_guard(void) {
#ifdef __x86_64__
  uint64_t guard = 0;
  if (getrandom(&guard, sizeof guard, 0) != sizeof guard) refuse("no random bytes");
  /* A zero byte first, as the C library has it: strings do not overwrite it. */
  guard &= ~(uint64_t)0xff;
  __asm__ volatile("mov %0, %%fs:0x28" : : "r"(guard) : "memory");
#endif
}

__attribute__((no_stack_protector)) void machine_run(const struct request *request, const struct loaded *loaded) {
  static struct options options;
  static char *words[WORD_LIMIT + 1];
  renew_stack_guard();
  program = loaded;
  int count = request_words(request, words);
  if (count == 0) refuse("malformed request");
  if (!options_parse(count, words, &options)) _exit(2);
  if (strcmp(options.program[0], loaded->path)) refuse("another program is loaded");
  for (size_t i = 0; i < options.environment.count; i++) environment[i] = (char *)(uintptr_t)options.environment.items[i];
  /* The supervisor is found by its command line, which is that of wrenn-jail. */
  command_line_show((const char *const *)words, (const char *const[]){NULL});
  command_line_name(words[0]);
  if (loaded->enable_fork_handlers) loaded->enable_fork_handlers();
  supervise(&options, &(struct way){.begin = begin, .announce = announce, .held = true});
}
