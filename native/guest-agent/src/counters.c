#define _GNU_SOURCE
#include "counters.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "listeners.h"
#include "memory-facts.h"
#include "oom-watch.h"
#include "regular-file.h"
#include "status.h"
#include "wall-clock.h"

/* Directories of the kernel in /proc are counted again after this many counts: one may have been added. */
enum { RECOUNT = 64 };

struct ticks {
  uint64_t busy;
  uint64_t total;
  uint32_t cpus;
};

/* Ticks since boot from the first lines of /proc/stat (proc_stat(5)), of all processors and then of each: columns 4 and 5 are idle and iowait. */
static struct ticks cpu_ticks(void) {
  unsigned long long t[8] = {0};
  struct ticks ticks = {0};
  char line[512];
  FILE *file = regular_file_open("/proc/stat");
  if (!file) return ticks;
  int n = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
  if (fgets(line, sizeof line, file))
    while (fgets(line, sizeof line, file) && !strncmp(line, "cpu", 3)) ticks.cpus++;
  fclose(file);
  for (int i = 0; i < n; i++) ticks.total += t[i];
  ticks.busy = ticks.total - t[3] - t[4];
  return ticks;
}

static uint32_t list_processes(void) {
  DIR *proc = opendir("/proc");
  uint32_t count = 0;
  if (!proc) return 0;
  for (struct dirent *entry; (entry = readdir(proc));) count += isdigit((unsigned char)entry->d_name[0]) != 0;
  closedir(proc);
  return count;
}

/*
 * The kernel says how many processes there are in the link count of /proc, to which it adds directories of its own. Listing the
 * directory takes it far longer, so that is done only to find out how many those are.
 */
static uint32_t count_processes(void) {
  static _Atomic uint32_t own; /* 0: not known */
  static _Atomic uint32_t counts;
  struct stat before;
  struct stat after;
  if (stat("/proc", &before)) return 0;
  uint32_t links = (uint32_t)before.st_nlink;
  if (own > 0 && links > own && ++counts % RECOUNT != 0) return links - own;
  uint32_t count = list_processes();
  /* One that began or ended meanwhile leaves open what belongs to whom. */
  if (stat("/proc", &after) == 0 && after.st_nlink == before.st_nlink && links > count) own = links - count;
  return count;
}

int run_counters(uint16_t op, struct reader *r, struct buffer *body) {
  struct timespec up;
  struct statvfs disk = {0};
  struct sysinfo system = {0};
  (void)op;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "COUNTERS does not parse");
  clock_gettime(CLOCK_MONOTONIC, &up);
  struct ticks ticks = cpu_ticks();
  (void)statvfs("/", &disk);
  (void)sysinfo(&system);
  struct listener_summary listeners = listeners_summarise();
  write_u64(body, wall_clock_ns());
  write_u64(body, (uint64_t)up.tv_sec * 1000u + (uint64_t)up.tv_nsec / 1000000u);
  write_u32(body, ticks.cpus);
  write_u64(body, ticks.busy);
  write_u64(body, ticks.total);
  write_u64(body, (uint64_t)system.totalram * system.mem_unit);
  write_u64(body, memory_facts("MemAvailable"));
  write_u64(body, disk.f_blocks * disk.f_frsize);
  write_u64(body, (disk.f_blocks - disk.f_bfree) * disk.f_frsize);
  write_u64(body, disk.f_files);
  write_u64(body, disk.f_files - disk.f_ffree);
  write_u32(body, count_processes());
  write_u32(body, listeners.tcp);
  write_u64(body, (uint64_t)system.loads[0] * 1000 >> SI_LOAD_SHIFT);
  write_u64(body, listeners.digest);
  struct oom_kill kill = oom_watch_last();
  write_u32(body, kill.count);
  write_u64(body, kill.at_ns);
  write_u32(body, kill.victim.pid);
  write_u64(body, kill.victim.bytes);
  write_text(body, kill.victim.name);
  write_u64(body, memory_facts("Cached"));
  return STATUS_OK;
}
