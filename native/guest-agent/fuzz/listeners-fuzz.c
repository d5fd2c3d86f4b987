/* Any line of /proc/net/tcp, sockstat and their like, over which a user of the guest may have mounted anything. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../src/listeners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct listener listener = {0};
  char *line = malloc(size);
  if (!line) return 0;
  memcpy(line, data + 1, size - 1);
  line[size - 1] = 0;
  uint8_t family = data[0] & 1 ? 4 : 6;
  if (listener_parse(line, data[0] & 2 ? LISTENER_TCP : LISTENER_UDP, family, &listener) == ROW_LISTENER && listener.port == 0) __builtin_trap();
  if (listener_unused_table(line) > 8) __builtin_trap();
  free(line);
  return 0;
}
