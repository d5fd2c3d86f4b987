/* Options are refused when they would run a machine as root or nowhere; the console log stays within its limit. */
#define _GNU_SOURCE
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "options.h"

static bool parses(char **argv) {
  struct options options = {0};
  int argc = 0;
  while (argv[argc]) argc++;
  optind = 0;
  return options_parse(argc, argv, &options);
}

#define ARGV(...) ((char *[]){"jail", __VA_ARGS__, NULL})

static void test_options(void) {
  assert(parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "0", "--gid", "5", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "0", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "r", "--uid", "5", "--gid", "5", "--", "/bin/true")));
  assert(!parses(ARGV("--uid", "5", "--gid", "5", "--", "/bin/true")));
  assert(parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--filter", "emulated", "--system", "/s", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--filter", "", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--filter", "none", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--system", "s", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5x", "--gid", "5", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "-5", "--gid", "5", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5")));
  assert(parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--file-mib", "64", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--file-mib", "0", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--file-mib", "64M", "--", "/bin/true")));
  assert(!parses(ARGV("--unknown", "--run", "/r", "--uid", "5", "--gid", "5", "--", "/bin/true")));
}

static off_t size_of(int directory, const char *name) {
  struct stat st;
  return fstatat(directory, name, &st, 0) ? 0 : st.st_size;
}

static void test_console_bound(void) {
  char path[] = "/tmp/wrenn-jail-test-XXXXXX";
  static char flood[10000];
  struct console console;
  char last[8] = "";
  assert(mkdtemp(path));
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  assert(directory >= 0 && console_open(&console, directory, 65536));
  memset(flood, 'x', sizeof flood);
  for (int i = 0; i < 1000; i++) {
    console_write(&console, flood, sizeof flood);
    assert(size_of(directory, "console.log") + size_of(directory, "console.log.1") <= 65536);
  }
  console_write(&console, "the end", 7);
  int fd = openat(directory, "console.log", O_RDONLY);
  assert(fd >= 0 && pread(fd, last, 7, size_of(directory, "console.log") - 7) == 7 && strcmp(last, "the end") == 0);
  close(fd);
  close(console.fd);
  unlinkat(directory, "console.log", 0);
  unlinkat(directory, "console.log.1", 0);
  close(directory);
  rmdir(path);
}

int main(void) {
  test_options();
  test_console_bound();
  puts("ok: options, console bound");
  return 0;
}
