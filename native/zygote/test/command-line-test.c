/* /proc shows the words of a machine, as many as there is room for, and nothing of the zygote's. */
#define _GNU_SOURCE
#include "command-line.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char text[4096];

static size_t read_proc(const char *path) {
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  assert(n >= 0);
  close(fd);
  return (size_t)n;
}

static void check(const char *path, size_t room, const char *expected, size_t length) {
  assert(read_proc(path) == room && !memcmp(text, expected, length));
  for (size_t at = length; at < room; at++) assert(!text[at]);
}

int main(int argc, char **argv, char **environment) {
  static char room[200];
  memset(room, ' ', sizeof room - 1);
  if (argc == 1) {
    execve("/proc/self/exe", (char *[]){"first", room, NULL}, (char *[]){"A=b", "C=d", NULL});
    return 1;
  }
  size_t words = sizeof "first" + sizeof room;
  command_line_find(argv, environment);
  command_line_show((const char *const[]){"one", "", "two words", NULL}, (const char *const[]){"E=f", NULL});
  check("/proc/self/cmdline", words, "one\0\0two words", sizeof "one\0\0two words");
  check("/proc/self/environ", 8, "E=f", sizeof "E=f");
  room[sizeof room - 2] = 0;
  command_line_show((const char *const[]){"12345", room, "more", NULL}, (const char *const[]){"LONG=12345", NULL});
  assert(read_proc("/proc/self/cmdline") == words && !strcmp(text, "12345") && !strcmp(text + 6, room));
  check("/proc/self/environ", 8, "", 0);
  command_line_name("/usr/bin/qemu-system-x86_64");
  assert(read_proc("/proc/self/comm") == 16 && !memcmp(text, "qemu-system-x86\n", 16));
  puts("ok: command line, environment, name");
  return 0;
}
