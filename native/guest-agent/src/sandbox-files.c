#include "sandbox-files.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "etc-file.h"

static const char prefix[] = "cl-";

static void write_value(const char *directory, const char *name, const char *value, names_warning *warn, void *context) {
  char path[PATH_MAX];
  int length = snprintf(path, sizeof path, "%s/%s", directory, name);
  if (length < 0 || length >= (int)sizeof path) return;
  const char *problem = etc_file_replace(path, value);
  if (problem) warn(context, path, problem);
}

void sandbox_files_write(const char *directory, const char *capsule, const char *template, names_warning *warn, void *context) {
  size_t skipped = strncmp(capsule, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
  /* What stands in the way of the directory is reported with each file. */
  (void)mkdir(directory, 0755);
  write_value(directory, ".E2B_SANDBOX", "true", warn, context);
  write_value(directory, ".E2B_SANDBOX_ID", capsule + skipped, warn, context);
  write_value(directory, ".E2B_TEMPLATE_ID", template, warn, context);
}
