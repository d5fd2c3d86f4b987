/* Any body of START and of CONFIGURE's environment: decoding allocates and frees, and never reads outside the body. */
#include "../src/environment.h"
#include "../src/spawn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct environment environment = {0};
  struct reader r = {data, size, false};
  (void)environment_read(&environment, &r);
  environment_free(&environment);
  struct spawn spawn = {0};
  struct buffer detail = {0};
  r = (struct reader){data, size, false};
  (void)spawn_decode(&spawn, &r, &detail);
  spawn_free(&spawn);
  buffer_free(&detail);
  return 0;
}
