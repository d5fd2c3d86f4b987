/* Runs itself under the shim: the memory file is mapped privately, every other file as asked. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 65536 };

static int make_file(char *path) {
  int fd = mkstemp(path);
  if (fd < 0 || ftruncate(fd, SIZE) || pwrite(fd, "template", 8, 0) != 8) {
    perror(path);
    exit(1);
  }
  return fd;
}

static void write_through_mapping(int fd) {
  char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED || memcmp(map, "template", 8) != 0) exit(2);
  memcpy(map, "modified", 8);
  if (memcmp(map, "modified", 8) != 0) exit(3);
  munmap(map, SIZE);
}

static int holds(int fd, const char *text) {
  char bytes[8];
  return pread(fd, bytes, 8, 0) == 8 && memcmp(bytes, text, 8) == 0;
}

int main(int argc, char **argv) {
  if (argc == 4) {
    write_through_mapping(atoi(argv[2]));
    write_through_mapping(atoi(argv[3]));
    return 0;
  }
  char memory[] = "/tmp/wrenn-shim-XXXXXX";
  char other[] = "/tmp/wrenn-shim-XXXXXX";
  char first[16];
  char second[16];
  int memory_fd = make_file(memory);
  int other_fd = make_file(other);
  snprintf(first, sizeof first, "%d", memory_fd);
  snprintf(second, sizeof second, "%d", other_fd);
  pid_t pid = fork();
  if (pid == 0) {
    setenv("LD_PRELOAD", argv[1], 1);
    setenv("WRENN_SHIM_MEMORY", memory, 1);
    execl(argv[0], argv[0], "child", first, second, (char *)NULL);
    _exit(9);
  }
  int status;
  waitpid(pid, &status, 0);
  int ok = status == 0 && holds(memory_fd, "template") && holds(other_fd, "modified");
  printf("%s: private memory file, shared other file\n", ok ? "ok" : "FAILED");
  unlink(memory);
  unlink(other);
  return ok ? 0 : 1;
}
