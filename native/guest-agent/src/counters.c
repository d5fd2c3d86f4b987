#define _GNU_SOURCE
#include "counters.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "listeners.h"
#include "memory-facts.h"
#include "oom-watch.h"
#include "regular-file.h"
#include "status.h"
#include "wall-clock.h"

/* Ticks since boot from the first line of /proc/stat (proc_stat(5)): columns 4 and 5 are idle and iowait. */
static void cpu_ticks(uint64_t *busy, uint64_t *total) {
  unsigned long long t[8] = {0};
  FILE *file = regular_file_open("/proc/stat");
  *busy = *total = 0;
  if (!file) return;
  int n = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
  fclose(file);
  for (int i = 0; i < n; i++) *total += t[i];
  *busy = *total - t[3] - t[4];
}

static uint32_t count_processes(void) {
  DIR *proc = opendir("/proc");
  uint32_t count = 0;
  if (!proc) return 0;
  for (struct dirent *entry; (entry = readdir(proc));) count += isdigit((unsigned char)entry->d_name[0]) != 0;
  closedir(proc);
  return count;
}

int run_counters(uint16_t op, struct reader *r, struct buffer *body) {
  struct timespec up;
  struct statvfs disk = {0};
  double load = 0;
  uint64_t busy;
  uint64_t total;
  (void)op;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "COUNTERS does not parse");
  clock_gettime(CLOCK_MONOTONIC, &up);
  cpu_ticks(&busy, &total);
  (void)statvfs("/", &disk);
  (void)getloadavg(&load, 1);
  struct listener_summary listeners = listeners_summarise();
  write_u64(body, wall_clock_ns());
  write_u64(body, (uint64_t)up.tv_sec * 1000u + (uint64_t)up.tv_nsec / 1000000u);
  write_u32(body, (uint32_t)get_nprocs());
  write_u64(body, busy);
  write_u64(body, total);
  write_u64(body, memory_facts("MemTotal"));
  write_u64(body, memory_facts("MemAvailable"));
  write_u64(body, disk.f_blocks * disk.f_frsize);
  write_u64(body, (disk.f_blocks - disk.f_bfree) * disk.f_frsize);
  write_u64(body, disk.f_files);
  write_u64(body, disk.f_files - disk.f_ffree);
  write_u32(body, count_processes());
  write_u32(body, listeners.tcp);
  write_u64(body, (uint64_t)(load * 1000));
  write_u64(body, listeners.digest);
  struct oom_kill kill = oom_watch_last();
  write_u32(body, kill.count);
  write_u64(body, kill.at_ns);
  write_u32(body, kill.victim.pid);
  write_u64(body, kill.victim.bytes);
  write_text(body, kill.victim.name);
  return STATUS_OK;
}
