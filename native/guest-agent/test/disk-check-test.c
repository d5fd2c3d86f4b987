#include "check.h"
#include "disk-check.h"

static void with_state(uint8_t bytes[SUPERBLOCK_SIZE], unsigned int magic, unsigned int state) {
  for (int i = 0; i < SUPERBLOCK_SIZE; i++) bytes[i] = 0xff;
  bytes[56] = (uint8_t)magic;
  bytes[57] = (uint8_t)(magic >> 8);
  bytes[58] = (uint8_t)state;
  bytes[59] = (uint8_t)(state >> 8);
}

int main(void) {
  uint8_t bytes[SUPERBLOCK_SIZE];
  with_state(bytes, 0xef53, 1);
  CHECK(superblock_is_clean(bytes));
  /* In use when the machine ended. */
  with_state(bytes, 0xef53, 0);
  CHECK(!superblock_is_clean(bytes));
  /* Unmounted after the kernel had found an error. */
  with_state(bytes, 0xef53, 3);
  CHECK(!superblock_is_clean(bytes));
  with_state(bytes, 0, 1);
  CHECK(!superblock_is_clean(bytes));
  return 0;
}
