#include "handshake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void want(const char *text, enum parse_result result) {
  struct region regions[MAX_REGIONS];
  size_t count;
  /* An exact copy lets the sanitizer see a read beyond the end. */
  char *copy = malloc(strlen(text) + 1);
  if (!copy) exit(2);
  memcpy(copy, text, strlen(text));
  enum parse_result got = handshake_parse(copy, strlen(text), regions, &count);
  free(copy);
  if (got != result) {
    fprintf(stderr, "%s: %d instead of %d\n", text, got, result);
    exit(1);
  }
}

int main(void) {
  const char *good = "[{\"base_host_virt_addr\":4096,\"size\":8192,\"offset\":0,\"page_size\":4096,\"page_size_kib\":4096}]";
  want(good, PARSE_OK);
  want("", PARSE_INCOMPLETE);
  want("[{\"base_host_virt_addr\":40", PARSE_INCOMPLETE);
  want("[]", PARSE_BAD);
  want("{}", PARSE_BAD);
  want("[{\"size\":1}]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":-1,\"size\":1,\"offset\":0}]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":99999999999999999999,\"size\":1,\"offset\":0}]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":0,\"size\":1,\"offset\":0,\"page_size\":2097152}]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":0,\"size\":1,\"offset\":0}] x", PARSE_BAD);
  struct region overlap[2] = {{4096, 8192, 0}, {8192, 8192, 8192}};
  struct region outside[1] = {{4096, 1ull << 62, 0}};
  struct region fine[2] = {{4096, 8192, 0}, {16384, 8192, 8192}};
  if (!handshake_check(overlap, 2, 65536) || !handshake_check(outside, 1, 65536) || handshake_check(fine, 2, 65536)) return 1;
  puts("handshake: ok");
  return 0;
}
