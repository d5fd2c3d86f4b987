/*
 * LD_PRELOAD library for the VMM: the memory file named by WRENN_SHIM_MEMORY is mapped privately although the VMM asks
 * for a shared mapping. The VMM then leaves the memory out of its saved state ("shared" memory needs no saving), while
 * every write of the guest stays in this process: the file is the frozen memory of a template and never changes.
 * Pages that differ from it, those of a paused capsule, come from the file named by WRENN_SHIM_DIFF, or, when they are not at
 * hand as they are, from the page server at the socket WRENN_SHIM_PAGES; WRENN_SHIM_RANGES names the file that lists them.
 *
 * Huge pages are for large memories: for one of a single huge page, which holds some KiB of tables, a machine would pay 2 MiB.
 *
 * The environment is set by the jail and not by anything a guest can reach.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diff.h"
#include "served.h"

#define EXPORTED __attribute__((visibility("default")))

enum { EXIT_NO_SYMBOL = 81, EXIT_BAD_DIFF = 82, EXIT_BAD_RANGES = 83 };

/* On x86-64, and with pages of 4 KiB everywhere. */
enum { HUGE_PAGE = 2 << 20 };

typedef void *(*mmap_function)(void *, size_t, int, int, int, off_t);
typedef int (*madvise_function)(void *, size_t, int);
typedef int (*open_function)(const char *, int, ...);

static void *next_symbol(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) {
    fprintf(stderr, "wrenn-shim: %s is not to be found\n", name);
    _exit(EXIT_NO_SYMBOL);
  }
  return found;
}

/* Conversions between object and function pointers, as POSIX asks of dlsym. */
static mmap_function real_mmap(void) {
  static mmap_function found;
  if (!found) *(void **)&found = next_symbol("mmap64");
  return found;
}

static open_function real_open(void) {
  static open_function found;
  if (!found) *(void **)&found = next_symbol("open64");
  return found;
}

static madvise_function real_madvise(void) {
  static madvise_function found;
  if (!found) *(void **)&found = next_symbol("madvise");
  return found;
}

static bool is_memory_file(int fd) {
  const char *path = getenv("WRENN_SHIM_MEMORY");
  struct stat mapped;
  struct stat wanted;
  return fd >= 0 && path && fstat(fd, &mapped) == 0 && stat(path, &wanted) == 0 && mapped.st_dev == wanted.st_dev && mapped.st_ino == wanted.st_ino;
}

/*
 * The VMM opens a shared memory file for writing, which the jail's read-only mount refuses. A private mapping needs
 * no more than reading.
 */
static int open_file(const char *path, int flags, mode_t mode) {
  const char *memory = getenv("WRENN_SHIM_MEMORY");
  if (memory && strcmp(path, memory) == 0) flags = (flags & ~(O_ACCMODE | O_CREAT | O_TRUNC)) | O_RDONLY;
  return real_open()(path, flags, mode);
}

static mode_t creation_mode(int flags, va_list more) { return flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; }

EXPORTED int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = creation_mode(flags, more);
  va_end(more);
  return open_file(path, flags, mode);
}

EXPORTED int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = creation_mode(flags, more);
  va_end(more);
  return open_file(path, flags, mode);
}

/* What open becomes in fortified programs. */
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags);
EXPORTED int __open64_2(const char *path, int flags) { return open_file(path, flags, 0); }
EXPORTED int __open_2(const char *path, int flags) { return open_file(path, flags, 0); }

/* A machine with half of its memory must never run: there is no way back from here but the end. */
static void lay_diff_over(uint8_t *memory, size_t size) {
  const char *path = getenv("WRENN_SHIM_DIFF");
  if (!path) return;
  int fd = real_open()(path, O_RDONLY | O_CLOEXEC);
  const char *problem = fd < 0 ? strerror(errno) : diff_apply(fd, memory, size);
  if (problem) {
    fprintf(stderr, "wrenn-shim: %s: %s\n", path, problem);
    _exit(EXIT_BAD_DIFF);
  }
  close(fd);
}

static void hand_over_to_page_server(uint8_t *memory, size_t size) {
  const char *socket_path = getenv("WRENN_SHIM_PAGES");
  const char *path = getenv("WRENN_SHIM_RANGES");
  if (!socket_path || !path) return;
  struct range *ranges = NULL;
  size_t count = 0;
  int fd = real_open()(path, O_RDONLY | O_CLOEXEC);
  const char *problem = fd < 0 ? strerror(errno) : ranges_read(fd, size, &ranges, &count);
  if (problem) {
    fprintf(stderr, "wrenn-shim: %s: %s\n", path, problem);
    _exit(EXIT_BAD_RANGES);
  }
  close(fd);
  errno = 0;
  problem = serve_memory(memory, size, ranges, count, socket_path);
  if (problem) {
    fprintf(stderr, "wrenn-shim: %s: %s: %s\n", socket_path, problem, strerror(errno));
    _exit(EXIT_BAD_RANGES);
  }
  free(ranges);
}

EXPORTED void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  bool memory = (flags & MAP_TYPE) == MAP_SHARED && is_memory_file(fd);
  if (memory) flags = (flags & ~MAP_TYPE) | MAP_PRIVATE | MAP_NORESERVE;
  void *mapped = real_mmap()(address, length, protection, flags, fd, offset);
  if (memory && mapped != MAP_FAILED && offset == 0) {
    lay_diff_over(mapped, length);
    hand_over_to_page_server(mapped, length);
  }
  return mapped;
}

EXPORTED void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap64(address, length, protection, flags, fd, offset);
}

EXPORTED int madvise(void *address, size_t length, int advice) {
  if (advice == MADV_HUGEPAGE && length <= HUGE_PAGE) return 0;
  return real_madvise()(address, length, advice);
}
