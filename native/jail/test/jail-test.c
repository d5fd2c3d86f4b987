/* Options are refused when they would run a machine as root or nowhere; the console is a ring; descriptors are of root's files only. */
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
#include "descriptors.h"
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
  assert(parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--bare", "--", "/bin/true")));
  assert(!parses(ARGV("--run", "/r", "--uid", "5", "--gid", "5", "--bare=1", "--", "/bin/true")));
  assert(!parses(ARGV("--unknown", "--run", "/r", "--uid", "5", "--gid", "5", "--", "/bin/true")));
}

static uint64_t number_at(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | at[bytes];
  return value;
}

static void test_console_ring(void) {
  char path[] = "/tmp/wrenn-jail-test-XXXXXX";
  enum { CAPACITY = 65536 };
  static char flood[10000];
  static unsigned char file[CONSOLE_HEADER + CAPACITY + 1];
  struct console console;
  assert(mkdtemp(path));
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  assert(directory >= 0 && console_open(&console, directory, CAPACITY));
  uint64_t total = 0;
  for (int i = 0; i < 1000; i++) {
    memset(flood, 'a' + i % 26, sizeof flood);
    console_write(&console, flood, sizeof flood);
    total += sizeof flood;
  }
  console_write(&console, "the end", 7);
  total += 7;
  int fd = openat(directory, CONSOLE_NAME, O_RDONLY);
  assert(fd >= 0 && read(fd, file, sizeof file) == CONSOLE_HEADER + CAPACITY);
  assert(memcmp(file, "WRENNCON", 8) == 0 && number_at(file + 8, 4) == 1 && number_at(file + 12, 4) == CAPACITY && number_at(file + 16, 8) == total);
  for (size_t i = 0; i < 7; i++) assert(file[CONSOLE_HEADER + (total - 7 + i) % CAPACITY] == "the end"[i]);
  assert(file[CONSOLE_HEADER + (total - 8) % CAPACITY] == 'a' + 999 % 26);
  close(fd);
  close(console.fd);
  unlinkat(directory, CONSOLE_NAME, 0);
  close(directory);
  rmdir(path);
}

static bool opens(const char *name, int kind, int directory, struct descriptors *descriptors) {
  struct options options = {.wanted_count = 1};
  options.wanted[0].kind = kind;
  options.wanted[0].name = name;
  return descriptors_open(descriptors, &options, directory);
}

/* Run as root, as the jail is: elsewhere no file that is made belongs to root. */
static void test_descriptors(void) {
  char path[] = "/tmp/wrenn-jail-test-XXXXXX";
  char name[64];
  struct descriptors descriptors;
  struct stat st;
  if (getuid() != 0) return;
  assert(mkdtemp(path));
  int directory = open(path, O_RDONLY | O_DIRECTORY);
  int silent = dup(2);
  assert(freopen("/dev/null", "w", stderr));
  snprintf(name, sizeof name, "%s/file", path);
  close(open(name, O_CREAT | O_WRONLY, 0600));
  assert(opens(name, WANTED_READABLE, directory, &descriptors) && (fcntl(descriptors.fds[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
  descriptors_close(&descriptors);
  assert(opens(name, WANTED_WRITABLE, directory, &descriptors) && (fcntl(descriptors.fds[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == O_RDWR);
  descriptors_close(&descriptors);
  assert(chown(name, 12345, 12345) == 0 && !opens(name, WANTED_READABLE, directory, &descriptors));
  assert(chown(name, 0, 0) == 0);
  assert(symlinkat("file", directory, "link") == 0 && mkfifoat(directory, "fifo", 0600) == 0);
  snprintf(name, sizeof name, "%s/link", path);
  assert(!opens(name, WANTED_READABLE, directory, &descriptors));
  snprintf(name, sizeof name, "%s/fifo", path);
  assert(!opens(name, WANTED_READABLE, directory, &descriptors));
  assert(!opens(path, WANTED_READABLE, directory, &descriptors));
  assert(opens("socket", WANTED_SOCKET, directory, &descriptors));
  descriptors_close(&descriptors);
  assert(fstatat(directory, "socket", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
  /* Also where a link lies in its place. */
  assert(!opens("socket", WANTED_SOCKET, directory, &descriptors) && !opens("link", WANTED_SOCKET, directory, &descriptors));
  assert(!opens("../socket", WANTED_SOCKET, directory, &descriptors));
  dup2(silent, 2);
  for (int i = 0; i < 4; i++) unlinkat(directory, ((const char *[]){"file", "link", "fifo", "socket"})[i], 0);
  close(directory);
  rmdir(path);
}

int main(void) {
  test_options();
  test_console_ring();
  test_descriptors();
  puts("ok: options, console ring, descriptors");
  return 0;
}
