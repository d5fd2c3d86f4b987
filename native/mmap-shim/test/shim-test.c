/* Runs itself under the shim: the memory file is mapped privately, every other file as asked; only large memories get huge pages. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 65536, MIB = 1 << 20 };

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

/* Whether the kernel notes for the mapping at `address` that it should have huge pages. */
static int is_huge(const void *address) {
  FILE *file = fopen("/proc/self/smaps", "r");
  char line[512];
  int inside = 0;
  int huge = 0;
  while (file && fgets(line, sizeof line, file)) {
    unsigned long first;
    unsigned long last;
    if (sscanf(line, "%lx-%lx ", &first, &last) == 2) inside = first <= (unsigned long)address && (unsigned long)address < last;
    if (inside && !strncmp(line, "VmFlags:", 8)) huge = strstr(line, " hg") != NULL;
  }
  if (file) fclose(file);
  return huge;
}

/* Pages that cannot be used keep the mapping apart from its neighbours. */
static char *map_apart(size_t size) {
  char *room = mmap(NULL, size + 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED || mprotect(room + SIZE, size, PROT_READ | PROT_WRITE)) exit(4);
  return room + SIZE;
}

static void ask_for_huge_pages(void) {
  char *small = map_apart(2 * MIB);
  char *large = map_apart(8 * MIB);
  if (madvise(large, 8 * MIB, MADV_HUGEPAGE)) {
    if (errno != EINVAL) exit(5);
    return; /* a kernel without huge pages */
  }
  if (!is_huge(large)) exit(6);
  if (madvise(small, 2 * MIB, MADV_HUGEPAGE) || is_huge(small)) exit(7);
  if (madvise(small, 2 * MIB, -1) == 0) exit(8);
}

int main(int argc, char **argv) {
  if (argc == 4) {
    write_through_mapping(atoi(argv[2]));
    write_through_mapping(atoi(argv[3]));
    ask_for_huge_pages();
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
  printf("%s: private memory file, shared other file, huge pages for large memories\n", ok ? "ok" : "FAILED");
  unlink(memory);
  unlink(other);
  return ok ? 0 : 1;
}
