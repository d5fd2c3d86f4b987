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

/* A handshake of this many regions. */
static void want_regions(int count, enum parse_result result) {
  static char text[MAX_HANDSHAKE];
  size_t at = 0;
  for (int i = 0; i < count; i++) at += (size_t)snprintf(text + at, sizeof text - at, "%c{\"base_host_virt_addr\":%d,\"size\":1,\"offset\":%d}", i ? ',' : '[', i, i);
  snprintf(text + at, sizeof text - at, "]");
  want(text, result);
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
  want("[{\"base_host_virt_addr\":0,\"size\":1,\"offset\":0}", PARSE_INCOMPLETE);
  want("[{\"base_host_virt_addr\":0,\"size\":1,\"offset\":0},]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":\"0\",\"size\":1,\"offset\":0}]", PARSE_BAD);
  want("[{\"base_host_virt_addr\":1e9,\"size\":1,\"offset\":0}]", PARSE_BAD);
  want("[{\"size\\u0000\":1}]", PARSE_BAD);
  want("[[[[[[[[[[[[[[[[", PARSE_BAD);
  want_regions(MAX_REGIONS, PARSE_OK);
  want_regions(MAX_REGIONS + 1, PARSE_BAD);
  const struct region wrong[] = {{4096, 0, 0}, {4097, 4096, 0}, {4096, 4095, 0}, {4096, 4096, 1}, {4096, 4096, 65536}, {4096, 4096, UINT64_MAX - 4095}, {UINT64_MAX - 4095, 4096, 0}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (!handshake_check(&wrong[i], 1, 65536)) return 1;
  struct region overlap[2] = {{4096, 8192, 0}, {8192, 8192, 8192}};
  struct region outside[1] = {{4096, 1ull << 62, 0}};
  struct region fine[2] = {{4096, 8192, 0}, {16384, 8192, 8192}};
  if (!handshake_check(overlap, 2, 65536) || !handshake_check(outside, 1, 65536) || handshake_check(fine, 2, 65536)) return 1;
  puts("handshake: ok");
  return 0;
}
