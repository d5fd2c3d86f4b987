/*
 * A program that has taken over its jail: it makes one system call and prints what came of it. Usage:
 *   hostile call NUMBER [ARGUMENT ...]   by the interface of x86-64
 *   hostile i386 NUMBER                  by that of 32-bit programs
 *   hostile exec PATH                    executes a program
 *   hostile map                          memory that was written is made executable, and run
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

static int report(long result) {
  int problem = errno;
  if (result == -1)
    printf("refused: %s\n", strerrorname_np(problem));
  else
    printf("done\n");
  return fflush(stdout) ? 1 : 0;
}

static int map_code(void) {
  static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
  void *memory = mmap(NULL, sizeof code, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return report(-1);
  memcpy(memory, code, sizeof code);
  if (mprotect(memory, sizeof code, PROT_READ | PROT_EXEC)) return report(-1);
  int (*function)(void);
  memcpy(&function, &memory, sizeof function);
  return report(function() == 42 ? 0 : -1);
}

int main(int argc, char **argv) {
  long arguments[ARGUMENTS] = {0};
  const char *pause = getenv("PAUSE_MS");
  /* A program that ends while it is started is not reported. */
  if (pause) nanosleep(&(struct timespec){.tv_nsec = atol(pause) * 1000000}, NULL);
  if (argc == 2 && !strcmp(argv[1], "map")) return map_code();
  if (argc < 3) return 2;
  if (!strcmp(argv[1], "exec")) return report(execl(argv[2], argv[2], "call", "39", (char *)NULL));
  long number = strtol(argv[2], NULL, 0);
  if (!strcmp(argv[1], "i386")) {
    long result = number;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return report(result < 0 ? -1 : result);
  }
  for (int i = 0; i < ARGUMENTS && i + 3 < argc; i++) arguments[i] = strtol(argv[i + 3], NULL, 0);
  return report(syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]));
}
