#include "handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct region regions[MAX_REGIONS];
  size_t count;
  if (handshake_parse((const char *)data, size, regions, &count) == PARSE_OK) handshake_check(regions, count, 1ull << 30);
  return 0;
}
