/* Any bytes as an archive: the reader ends, and names and targets end within their room. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../src/tar-reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct tar_member member;
  char bytes[1000];
  struct tar_reader reader = {.fd = memfd_create("archive", MFD_CLOEXEC)};
  if (reader.fd < 0 || write(reader.fd, data, size) != (ssize_t)size || lseek(reader.fd, 0, SEEK_SET)) __builtin_trap();
  while (tar_reader_next(&reader, &member) == TAR_READ_MEMBER) {
    if (strnlen(member.path, TAR_PATH) == TAR_PATH || strnlen(member.target, TAR_PATH) == TAR_PATH) __builtin_trap();
    if (member.size % 2) (void)tar_reader_content(&reader, bytes, sizeof bytes);
  }
  close(reader.fd);
  return 0;
}
