#define _GNU_SOURCE
#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter-lists.h"

#ifndef __x86_64__
#error "the lists have numbers of x86-64"
#endif

enum { X32_CALLS = 0x40000000, NEAR_JUMP = 255, CALL_LIMIT = 512 };

struct writer {
  struct sock_filter *program;
  size_t length;
};

static void put(struct writer *writer, unsigned code, uint32_t value, size_t when_true, size_t when_false) {
  if (writer->length < FILTER_LENGTH)
    writer->program[writer->length] = (struct sock_filter){(uint16_t)code, (uint8_t)when_true, (uint8_t)when_false, value};
  /* Past the end it is only counted: the caller sees that it does not fit. */
  writer->length++;
}

static void put_load(struct writer *writer, size_t offset) { put(writer, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }

static void put_return(struct writer *writer, uint32_t action) { put(writer, BPF_RET | BPF_K, action, 0, 0); }

static size_t argument_at(const struct filter_condition *condition) { return offsetof(struct seccomp_data, args) + condition->argument * sizeof(uint64_t); }

/* The number of instructions of a condition; see `put_condition`. */
static size_t condition_length(const struct filter_condition *condition) {
  switch (condition->compare) {
    case FILTER_NO_CONDITION:
      return 0;
    case FILTER_EQUAL:
    case FILTER_WITHIN:
      return 2;
    case FILTER_MASKED:
      return 3;
    case FILTER_EQUAL_WIDE:
    case FILTER_WITHIN_WIDE:
      return 4;
  }
  return 0;
}

static size_t rule_length(const struct filter_rule *rule) {
  size_t length = 1;
  for (size_t i = 0; i < FILTER_CONDITIONS; i++) length += condition_length(&rule->conditions[i]);
  return length;
}

/* `rest` instructions of the rule follow the condition; one that does not hold continues behind them. */
static void put_condition(struct writer *writer, const struct filter_condition *condition, size_t rest) {
  uint32_t low = (uint32_t)condition->value;
  uint32_t high = (uint32_t)(condition->value >> 32);
  size_t at = argument_at(condition);
  switch (condition->compare) {
    case FILTER_NO_CONDITION:
      return;
    case FILTER_EQUAL_WIDE:
      put_load(writer, at + sizeof(uint32_t));
      put(writer, BPF_JMP | BPF_JEQ | BPF_K, high, 0, rest + 2);
      __attribute__((fallthrough));
    case FILTER_EQUAL:
      put_load(writer, at);
      put(writer, BPF_JMP | BPF_JEQ | BPF_K, low, 0, rest);
      return;
    case FILTER_WITHIN_WIDE:
      put_load(writer, at + sizeof(uint32_t));
      put(writer, BPF_JMP | BPF_JSET | BPF_K, ~high, rest + 2, 0);
      __attribute__((fallthrough));
    case FILTER_WITHIN:
      put_load(writer, at);
      put(writer, BPF_JMP | BPF_JSET | BPF_K, ~low, rest, 0);
      return;
    case FILTER_MASKED:
      put_load(writer, at);
      put(writer, BPF_ALU | BPF_AND | BPF_K, condition->mask, 0, 0);
      put(writer, BPF_JMP | BPF_JEQ | BPF_K, low, 0, rest);
      return;
  }
}

static void put_rule(struct writer *writer, const struct filter_rule *rule) {
  size_t rest = rule_length(rule);
  for (size_t i = 0; i < FILTER_CONDITIONS; i++) {
    rest -= condition_length(&rule->conditions[i]);
    put_condition(writer, &rule->conditions[i], rest);
  }
  put_return(writer, rule->error ? SECCOMP_RET_ERRNO | (uint32_t)rule->error : SECCOMP_RET_ALLOW);
}

static const struct filter_rule *rule_at(const struct filter_list *list, size_t group, size_t rule) {
  return rule < list->groups[group]->count ? &list->groups[group]->rules[rule] : NULL;
}

/* All rules of one call, in the order of the list. Another call continues behind them. */
static void put_call(struct writer *writer, const struct filter_list *list, int call) {
  size_t length = 1;
  for (size_t group = 0; group < list->count; group++)
    for (size_t i = 0; i < list->groups[group]->count; i++)
      if (rule_at(list, group, i)->call == call) length += rule_length(rule_at(list, group, i));
  if (length <= NEAR_JUMP) {
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, length);
  } else {
    put(writer, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 1, 0);
    put(writer, BPF_JMP | BPF_JA, (uint32_t)length, 0, 0);
  }
  for (size_t group = 0; group < list->count; group++)
    for (size_t i = 0; i < list->groups[group]->count; i++)
      if (rule_at(list, group, i)->call == call) put_rule(writer, rule_at(list, group, i));
  put_return(writer, SECCOMP_RET_KILL_PROCESS);
}

size_t filter_compile(const struct filter_list *list, enum filter_exec exec, struct sock_filter program[FILTER_LENGTH]) {
  struct writer writer = {program, 0};
  bool written[CALL_LIMIT] = {false};
  put_load(&writer, offsetof(struct seccomp_data, arch));
  put(&writer, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  put_return(&writer, SECCOMP_RET_KILL_PROCESS);
  put_load(&writer, offsetof(struct seccomp_data, nr));
  put(&writer, BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
  put_return(&writer, SECCOMP_RET_KILL_PROCESS);
  put(&writer, BPF_JMP | BPF_JGT | BPF_K, FILTER_NEWEST_CALL, 0, 1);
  put_return(&writer, SECCOMP_RET_ERRNO | ENOSYS);
  for (size_t group = 0; group < list->count; group++)
    for (size_t i = 0; i < list->groups[group]->count; i++) {
      int call = rule_at(list, group, i)->call;
      if (call < 0 || call >= CALL_LIMIT) return 0;
      if (!written[call]) put_call(&writer, list, call);
      written[call] = true;
    }
  if (exec == FILTER_EXEC_LISTENER) {
    put(&writer, BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1);
    put_return(&writer, SECCOMP_RET_USER_NOTIF);
  }
  put_return(&writer, SECCOMP_RET_KILL_PROCESS);
  return writer.length <= FILTER_LENGTH ? writer.length : 0;
}

const struct filter_list *filter_find(const char *name) {
  static const struct filter_list *const lists[] = {&filter_emulated, &filter_kvm, &filter_page_server};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (!strcmp(lists[i]->name, name)) return lists[i];
  return NULL;
}

int filter_install(const struct filter_list *list, enum filter_exec exec) {
  struct sock_filter program[FILTER_LENGTH];
  struct sock_fprog filter = {.len = (unsigned short)filter_compile(list, exec, program), .filter = program};
  unsigned long flags = exec == FILTER_EXEC_LISTENER ? SECCOMP_FILTER_FLAG_NEW_LISTENER : SECCOMP_FILTER_FLAG_TSYNC;
  if (filter.len == 0) {
    errno = E2BIG;
    return -1;
  }
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  /* A thread that cannot be put under the filter is reported by its number. */
  if (result > 0 && exec == FILTER_EXEC_KILLED) {
    errno = EBUSY;
    return -1;
  }
  return (int)result;
}
