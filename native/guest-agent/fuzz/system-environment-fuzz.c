/* Any line of /etc/environment, which the guest's root may write as it likes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../src/system-environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *name;
  char *value;
  char *line = malloc(size + 1);
  if (!line) return 0;
  memcpy(line, data, size);
  line[size] = 0;
  if (system_environment_parse(line, &name, &value) && (!*name || strchr(name, '=') || strlen(value) > size)) __builtin_trap();
  free(line);
  return 0;
}
