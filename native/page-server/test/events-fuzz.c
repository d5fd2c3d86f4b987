/*
 * Drives the part of the page server that a machine drives, with a kernel that answers as the input says: regions of a handshake, then
 * events, blocks and passes over the working set. The kernel checks each page that it is given.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fuzzed_ioctl(int fd, unsigned long request, ...);
static ssize_t fuzzed_read(int fd, void *to, size_t length);
/* The sources themselves, with a kernel of this file. */
#define ioctl fuzzed_ioctl
#define read fuzzed_read
#include "../src/serve.c"
#undef ioctl
#undef read

enum { PAGES = 4 * BLOCK_PAGES + 3, UFFD = 1000, MOST_STEPS = 400 };

static struct {
  const uint8_t *at;
  const uint8_t *end;
} input;
static struct server *served;
static unsigned steps;

static uint8_t byte(void) { return input.at < input.end ? *input.at++ : 0; }

static _Noreturn void bad(const char *what) {
  fprintf(stderr, "the page server %s\n", what);
  abort();
}

/* Every range is one of whole pages, in what the machine said or moved. */
static void check_range(uint64_t address, uint64_t length) {
  if (address % PAGE || length == 0 || length % PAGE || length > (uint64_t)BLOCK_PAGES * PAGE) bad("asks for a range that is none");
}

static int fuzzed_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (fd != UFFD) bad("uses another descriptor");
  if (request == UFFDIO_WAKE) return 0;
  struct uffdio_copy *copy = argument;
  struct uffdio_zeropage *zero = argument;
  bool copies = request == UFFDIO_COPY;
  if (!copies && request != UFFDIO_ZEROPAGE) bad("asks the kernel for something else");
  uint64_t length = copies ? copy->len : zero->range.len;
  check_range(copies ? copy->dst : zero->range.start, length);
  static volatile unsigned char sum;
  for (uint64_t i = 0; copies && i < length; i += 512) sum = (unsigned char)(sum + ((const unsigned char *)(uintptr_t)copy->src)[i]);
  __s64 *moved = copies ? &copy->copy : &zero->zeropage;
  static const int errors[] = {EEXIST, EAGAIN, ENOENT, ESRCH, EINVAL, ENOMEM};
  uint8_t outcome = ++steps > MOST_STEPS ? 0 : byte();
  if (outcome < 128) {
    *moved = (__s64)length;
    return 0;
  }
  /* A part of it, or none. */
  if (outcome < 160 && length > PAGE) {
    *moved = PAGE;
    errno = EAGAIN;
    return -1;
  }
  errno = errors[outcome % 6];
  *moved = -errno;
  return -1;
}

static ssize_t fuzzed_read(int fd, void *to, size_t length) {
  (void)fd;
  size_t count = 1 + byte() % 4;
  struct uffd_msg *messages = to;
  if (count * sizeof *messages > length) bad("reads into too little memory");
  memset(to, 0, count * sizeof *messages);
  for (size_t i = 0; i < count; i++) {
    const struct region *region = &served->regions[byte() % (served->region_count ? served->region_count : 1)];
    uint64_t at = region->address + (uint64_t)byte() * PAGE;
    /* Under UFFD_FEATURE_EXACT_ADDRESS an address is not that of a page. */
    if (byte() & 1) at += byte();
    uint64_t end = at - at % PAGE + (uint64_t)(1 + byte()) * PAGE;
    switch (byte() % 8) {
      case 0:
        messages[i].event = UFFD_EVENT_REMOVE;
        messages[i].arg.remove.start = at - at % PAGE;
        messages[i].arg.remove.end = end;
        break;
      case 1:
        messages[i].event = UFFD_EVENT_UNMAP;
        messages[i].arg.remove.start = at - at % PAGE;
        messages[i].arg.remove.end = end;
        break;
      case 2:
        messages[i].event = UFFD_EVENT_REMAP;
        messages[i].arg.remap.from = at - at % PAGE;
        messages[i].arg.remap.to = ((uint64_t)byte() << 40) + (uint64_t)byte() * PAGE;
        messages[i].arg.remap.len = end - (at - at % PAGE);
        break;
      case 3:
        messages[i].event = UFFD_EVENT_FORK;
        messages[i].arg.fork.ufd = (uint32_t)dup(2);
        break;
      case 4:
        if (byte() < 16) messages[i].event = byte();
        /* fallthrough */
      default:
        if (!messages[i].event) messages[i].event = UFFD_EVENT_PAGEFAULT;
        messages[i].arg.pagefault.address = at;
    }
  }
  return (ssize_t)(count * sizeof *messages);
}

void owner_request(struct server *server, uint64_t offset, uint32_t length) {
  if (offset % ((uint64_t)BLOCK_PAGES * PAGE) || length == 0 || offset + length > server->image.size) bad("asks for a block that is none");
}

static struct server *open_server(int file) {
  struct server *server = calloc(1, sizeof *server);
  if (!server) exit(2);
  const uint64_t third = (uint64_t)PAGES / 3 * PAGE;
  const struct extent table[] = {{0, third, EXTENT_FILE, 0, 0}, {third, third, EXTENT_ZERO, 0, 0}, {2 * third, (uint64_t)PAGES * PAGE - 2 * third, EXTENT_CALLBACK, 0, 0}};
  server->image.files[0] = file;
  server->image.file_count = 1;
  server->image.extents = malloc(sizeof table);
  if (!server->image.extents) exit(2);
  memcpy(server->image.extents, table, sizeof table);
  server->image.extent_count = 3;
  if (image_check(&server->image)) exit(2);
  server->uffd = UFFD;
  server->around = 1 + byte() % BLOCK_PAGES;
  server->record_limit = PAGES;
  server->buffer = malloc((size_t)BLOCK_PAGES * PAGE);
  server->blocks = calloc(PAGES / BLOCK_PAGES + 1, 1);
  server->record = malloc(PAGES * sizeof *server->record);
  server->prefetch_count = 16;
  server->prefetch = malloc(server->prefetch_count * sizeof *server->prefetch);
  if (!server->buffer || !server->blocks || !server->record || !server->prefetch) exit(2);
  for (size_t i = 0; i < server->prefetch_count; i++) server->prefetch[i] = (struct run){(uint32_t)byte() * 2, 1u + byte() % 3};
  return server;
}

static void close_server(struct server *server) {
  for (size_t i = 0; i < server->child_count; i++) close(server->children[i]);
  free(server->image.extents);
  free(server->image.present);
  free(server->image.removed);
  free(server->buffer);
  free(server->blocks);
  free(server->record);
  free(server->prefetch);
  free(server);
}

/* Up to four regions, which the handshake's own check has to find good. */
static bool take_regions(struct server *server) {
  server->region_count = 1 + byte() % 4;
  for (size_t i = 0; i < server->region_count; i++)
    server->regions[i] = (struct region){((uint64_t)byte() << 32) + (uint64_t)byte() * PAGE, (uint64_t)byte() * PAGE, (uint64_t)byte() * PAGE};
  return !handshake_check(server->regions, server->region_count, server->image.size);
}

static void check_server(const struct server *server) {
  if (server->region_count > MAX_REMAPPED_REGIONS || server->child_count > MAX_CHILDREN) bad("keeps too much");
  if (server->recorded > PAGES || server->in_flight > MAX_IN_FLIGHT) bad("counts wrongly");
  for (size_t i = 0; i < server->region_count; i++) {
    const struct region *r = &server->regions[i];
    if (r->offset + r->size > server->image.size || r->size == 0) bad("has a region outside its image");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int file = -1;
  if (file < 0 && ((file = memfd_create("image", 0)) < 0 || ftruncate(file, (off_t)PAGES * PAGE))) exit(2);
  input.at = data;
  input.end = data + size;
  steps = 0;
  struct server *server = served = open_server(file);
  if (take_regions(server))
    while (input.at < input.end && !server->failure) {
      static unsigned char bytes[BLOCK_PAGES * PAGE];
      uint8_t what = byte() % 8;
      if (what == 0 && server->prefetch_at < server->prefetch_count) serve_prefetch(server);
      else if (what == 1) (void)serve_count_missing(server);
      else if (what == 2) {
        uint64_t offset = (uint64_t)(byte() % 5) * BLOCK_PAGES * PAGE;
        uint64_t left = server->image.size - offset;
        serve_provided(server, offset, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);
      } else serve_events(server);
      check_server(server);
    }
  close_server(server);
  return 0;
}
