/* What COUNTERS says of this machine, next to what the kernel's files say. */
#define _GNU_SOURCE
#include "../src/counters.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/wire.h"
#include "check.h"

enum { OP = 9, CHILDREN = 40 };

struct counters {
  uint32_t cpus;
  uint64_t busy;
  uint64_t total;
  uint64_t memory;
  uint64_t available;
  uint64_t cached;
  uint32_t processes;
  uint64_t load; /* thousandths */
};

static struct counters read_counters(void) {
  struct reader none = {0};
  struct buffer body = {0};
  struct counters c = {0};
  CHECK(run_counters(OP, &none, &body) == 0);
  struct reader r = {buffer_data(&body), buffer_length(&body), false};
  (void)read_u64(&r);
  (void)read_u64(&r);
  c.cpus = read_u32(&r);
  c.busy = read_u64(&r);
  c.total = read_u64(&r);
  c.memory = read_u64(&r);
  c.available = read_u64(&r);
  for (int disk = 0; disk < 4; disk++) (void)read_u64(&r);
  c.processes = read_u32(&r);
  (void)read_u32(&r);
  c.load = read_u64(&r);
  (void)read_u64(&r);
  /* Of processes that the kernel killed. */
  CHECK(read_u32(&r) == 0);
  (void)read_u64(&r);
  (void)read_u32(&r);
  (void)read_u64(&r);
  char *name = read_text(&r, 64);
  c.cached = read_u64(&r);
  CHECK(name != NULL && read_finished(&r));
  free(name);
  buffer_free(&body);
  return c;
}

static unsigned long long first_number(const char *path, const char *format) {
  char line[256];
  unsigned long long number = 0;
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  while (file && fgets(line, sizeof line, file) && sscanf(line, format, &number) != 1) continue;
  if (file) fclose(file);
  return number;
}

static void values(void) {
  struct counters c = read_counters();
  CHECK(c.cpus == (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
  CHECK(c.total > 0 && c.busy > 0 && c.busy <= c.total);
  CHECK(c.memory == first_number("/proc/meminfo", "MemTotal: %llu") * 1024);
  CHECK(c.available > 0 && c.available < c.memory);
  CHECK(c.cached > 0 && c.cached < c.memory);
  CHECK(c.load < 1000000);
}

/* Counted by the link count of /proc from the second time on: children that exist are among them, and those that ended are not. */
static void processes(void) {
  pid_t children[CHILDREN];
  (void)read_counters();
  uint32_t before = read_counters().processes;
  for (int i = 0; i < CHILDREN; i++) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) {
      (void)pause();
      _exit(0);
    }
  }
  uint32_t with = read_counters().processes;
  for (int i = 0; i < CHILDREN; i++) {
    (void)kill(children[i], SIGKILL);
    (void)waitpid(children[i], NULL, 0);
  }
  uint32_t after = read_counters().processes;
  /* Others begin and end processes, too. */
  CHECK(with >= before + CHILDREN / 2);
  CHECK(after + CHILDREN / 2 <= with);
}

int main(void) {
  values();
  processes();
  return 0;
}
