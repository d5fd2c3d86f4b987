/* The kernel's reports of killed processes, and whatever else its log holds. */
#include "../src/oom-report.h"

#include <string.h>

#include "check.h"

static const char kernel[] =
    "3,812,70058195,-;Memory cgroup out of memory: Killed process 140 (python3) total-vm:183360kB, anon-rss:171400kB, file-rss:660kB, shmem-rss:4kB, UID:0 "
    "pgtables:380kB oom_score_adj:100\n";

static void reads_what_the_kernel_reports(void) {
  struct oom_report report;
  CHECK(oom_report_parse(kernel, &report));
  CHECK(report.pid == 140 && strcmp(report.name, "python3") == 0 && report.bytes == (171400 + 660 + 4) * 1024);
  CHECK(oom_report_parse("3,1,2,-;Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:2kB, UID:0", &report));
  CHECK(report.pid == 7 && report.bytes == 2048);
}

static void takes_any_name(void) {
  struct oom_report report;
  CHECK(oom_report_parse("3,1,2,-;Out of memory: Killed process 7 (x) total-vm:9kB) total-vm:1kB, anon-rss:2kB", &report));
  CHECK(strcmp(report.name, "x) total-vm:9kB") == 0 && report.bytes == 2048);
  CHECK(oom_report_parse("3,1,2,-;Out of memory: Killed process 7 () total-vm:1kB", &report) && *report.name == 0);
  CHECK(oom_report_parse("3,1,2,-;Out of memory: Killed process 7 (\x80\n) total-vm:1kB", &report) && strcmp(report.name, "??") == 0);
  char longest[400] = "3,1,2,-;Out of memory: Killed process 7 (";
  memset(longest + strlen(longest), 'n', 200);
  strcat(longest, ") total-vm:1kB");
  CHECK(oom_report_parse(longest, &report) && strlen(report.name) == OOM_NAME - 1);
}

static void ignores_the_rest(void) {
  struct oom_report report;
  static const char *const others[] = {
      "",
      ";",
      "3,1,2,-;",
      "3,1,2,-;eth0: up",
      "x,1,2,-;Out of memory: Killed process 7 (a) total-vm:1kB",
      /* A program wrote it: its facility is not the kernel's. */
      "12,1,2,-;Out of memory: Killed process 7 (a) total-vm:1kB",
      "3,1,2,-;sshd: Out of memory: Killed process 7 (a) total-vm:1kB",
      "3,1,2,-;Out of memory: Killed process 7",
      "3,1,2,-;Out of memory: Killed process 7 (a",
      "3,1,2,-;Out of memory: Killed process -7 (a) total-vm:1kB",
      "3,1,2,-;Out of memory: Killed process 99999999999 (a) total-vm:1kB",
      "3,1,2,-;Out of memory: Killed process (a) total-vm:1kB",
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) CHECK(!oom_report_parse(others[i], &report));
  CHECK(oom_report_parse("3,1,2,-;Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:99999999999999999999kB", &report) && report.bytes == 0);
}

int main(void) {
  reads_what_the_kernel_reports();
  takes_any_name();
  ignores_the_rest();
  return 0;
}
