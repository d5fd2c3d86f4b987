#define _GNU_SOURCE
#include "child-start.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __x86_64__
#error "child_start() is written for x86-64"
#endif

/* Far more than child_run() and a sanitizer need. */
enum { STACK_BYTES = 128 << 10 };

/* The child's own: on the agent's it would write over what the agent goes on with. */
static _Alignas(16) uint8_t stack[STACK_BYTES];

static _Noreturn void run(const void *child) { child_run(child); }

/* clone3(2), whose child calls `function` on the stack that the arguments name; the C library has no such call with a cgroup. */
static long clone_and_call(struct clone_args *arguments, void (*function)(const void *), const void *argument) {
  register void (*called)(const void *) __asm__("r8") = function;
  register const void *passed __asm__("r9") = argument;
  long result;
  __asm__ volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t" /* the outermost frame */
      "movq %%r9, %%rdi\n\t"
      "callq *%%r8\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "0"((long)SYS_clone3), "D"(arguments), "S"(sizeof *arguments), "r"(called), "r"(passed)
      : "rcx", "r11", "memory");
  return result;
}

pid_t child_start(const struct child *child, int cgroup) {
  /* Handlers are cleared from the first moment: one of the agent's that ran in the child would change the agent's memory. */
  struct clone_args arguments = {
      .flags = CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
      .exit_signal = SIGCHLD,
      .stack = (__u64)(uintptr_t)stack,
      .stack_size = sizeof stack,
      .cgroup = cgroup >= 0 ? (__u64)cgroup : 0,
  };
  long result = clone_and_call(&arguments, run, child);
  if (result >= 0) return (pid_t)result;
  errno = (int)-result;
  return -1;
}
