/* Any line of /etc/passwd, which the guest's root may write as it likes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../src/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct user user = {0};
  char *line = malloc(size + 1);
  if (!line) return 0;
  memcpy(line, data, size);
  line[size] = 0;
  if (passwd_parse(line, &user) && (strlen(user.name) == 0 || strlen(user.home) == 0)) __builtin_trap();
  free(line);
  return 0;
}
