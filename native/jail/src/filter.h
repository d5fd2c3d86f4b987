/*
 * Filters for system calls (seccomp(2)): lists of what a program may call, and their compiler to the kernel's instructions.
 *
 * A list is data: groups of rules, each group with its reason. The first rule of a call whose conditions all hold decides. A known
 * call that no rule allows ends the process. A call that is newer than the lists returns ENOSYS, so that a newer C library takes
 * another way. Calls by the interfaces of other architectures end the process.
 */
#ifndef WRENN_JAIL_FILTER_H
#define WRENN_JAIL_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  /* The newest call of x86-64 that was known when the lists were written: file_setattr of Linux 6.17. */
  FILTER_NEWEST_CALL = 469,
  FILTER_CONDITIONS = 3,
  FILTER_LENGTH = 1024,
};

/* How an argument is compared. The kernel reads many arguments as 32 bits; WIDE compares all 64. */
enum filter_compare {
  FILTER_NO_CONDITION,
  FILTER_EQUAL,
  FILTER_EQUAL_WIDE,
  FILTER_WITHIN,      /* has no bit that the value has not */
  FILTER_WITHIN_WIDE, /* likewise */
  FILTER_MASKED,      /* those of its bits that are in `mask` equal the value */
};

struct filter_condition {
  enum filter_compare compare;
  unsigned char argument;
  uint64_t value;
  uint32_t mask;
};

struct filter_rule {
  int call;
  /* Zero allows the call; otherwise it returns this error, and the kernel does nothing. */
  int error;
  struct filter_condition conditions[FILTER_CONDITIONS];
};

struct filter_group {
  const char *reason;
  const struct filter_rule *rules;
  size_t count;
};

struct filter_list {
  const char *name;
  const struct filter_group *const *groups;
  size_t count;
};

#define FILTER_GROUP(variable, why, ...)                                         \
  static const struct filter_rule variable##_rules[] = {__VA_ARGS__};            \
  const struct filter_group variable = {why, variable##_rules, sizeof variable##_rules / sizeof *variable##_rules}

#define FILTER_LIST(variable, label, ...)                                        \
  static const struct filter_group *const variable##_groups[] = {__VA_ARGS__};   \
  const struct filter_list variable = {label, variable##_groups, sizeof variable##_groups / sizeof *variable##_groups}

#define FILTER_ALLOW(name) {.call = SYS_##name}
#define FILTER_FAIL(name, code) {.call = SYS_##name, .error = code}
#define FILTER_ALLOW_IF(name, ...) {.call = SYS_##name, .conditions = {__VA_ARGS__}}
#define FILTER_FAIL_IF(name, code, ...) {.call = SYS_##name, .error = code, .conditions = {__VA_ARGS__}}
#define IS(index, number) {.compare = FILTER_EQUAL, .argument = index, .value = number}
#define IS_WIDE(index, number) {.compare = FILTER_EQUAL_WIDE, .argument = index, .value = number}
#define WITHIN(index, bits) {.compare = FILTER_WITHIN, .argument = index, .value = bits}
#define WITHIN_WIDE(index, bits) {.compare = FILTER_WITHIN_WIDE, .argument = index, .value = bits}
#define MASKED(index, bits, number) {.compare = FILTER_MASKED, .argument = index, .value = number, .mask = bits}

/* What happens to execve, which is in no list. */
enum filter_exec {
  FILTER_EXEC_KILLED,
  /* A listener decides; without one, because it was closed, the call returns ENOSYS. */
  FILTER_EXEC_LISTENER,
};

/* The list of that name, or NULL. */
const struct filter_list *filter_find(const char *name);

/* Writes the instructions and returns how many; 0 when they do not fit. */
size_t filter_compile(const struct filter_list *list, enum filter_exec exec, struct sock_filter program[FILTER_LENGTH]);

/*
 * Puts the calling process, with all of its threads, under the filter. The process must have given up new privileges.
 * With FILTER_EXEC_LISTENER the process must have a single thread, and the result is the listener's descriptor.
 * Returns a negative number, with errno, on failure.
 */
int filter_install(const struct filter_list *list, enum filter_exec exec);

#endif
