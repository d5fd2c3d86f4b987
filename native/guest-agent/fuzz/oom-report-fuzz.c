/* Any record of the kernel's log, in which programs of the guest write, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../src/oom-report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct oom_report report;
  char *record = malloc(size + 1);
  if (!record) return 0;
  memcpy(record, data, size);
  record[size] = 0;
  if (oom_report_parse(record, &report) && (report.pid == 0 || strlen(report.name) >= OOM_NAME)) __builtin_trap();
  free(record);
  return 0;
}
