/*
 * Answers page faults. Facts of the protocol: Documentation/admin-guide/mm/userfaultfd.rst and ioctl_userfaultfd(2).
 * A page is zero-filled only when the image says zero or the machine gave it back; when its bytes cannot be had the
 * faulting thread stays blocked and the server fails, because wrong memory is worse than none.
 */
#define _GNU_SOURCE
#include "serve.h"
#include "owner.h"
#include "regions.h"
#include <errno.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MAX_LOOKED = 1024 };

static void wake_range(struct server *server, uint64_t address, uint64_t length) {
  struct uffdio_range range = {address, length};
  ioctl(server->uffd, UFFDIO_WAKE, &range);
}

/* Installs `pages` pages, zero when `bytes` is NULL. Pages that are there already are skipped. */
static void install(struct server *server, uint64_t address, uint64_t offset, const unsigned char *bytes, size_t pages) {
  uint64_t done = 0;
  const uint64_t length = pages * PAGE;
  while (done < length && !server->failure) {
    int64_t moved;
    int result;
    if (bytes) {
      struct uffdio_copy copy = {.dst = address + done, .src = (uintptr_t)bytes + done, .len = length - done};
      result = ioctl(server->uffd, UFFDIO_COPY, &copy);
      moved = copy.copy;
    } else {
      struct uffdio_zeropage zero = {.range = {address + done, length - done}};
      result = ioctl(server->uffd, UFFDIO_ZEROPAGE, &zero);
      moved = zero.zeropage;
    }
    int error = result == 0 ? 0 : moved < 0 ? (int)-moved : errno;
    if (moved > 0) {
      memset(server->image.present + (offset + done) / PAGE, 1, (size_t)moved / PAGE);
      *(bytes ? &server->counters.pages : &server->counters.zero_pages) += (uint64_t)moved / PAGE;
      done += (uint64_t)moved;
      continue;
    }
    if (error == EEXIST) {
      server->image.present[(offset + done) / PAGE] = 1;
      wake_range(server, address + done, PAGE);
      done += PAGE;
    } else if (error == EAGAIN) {
      /* The mapping is changing: its event waits to be read. Whoever faults is told to fault again after it. */
      wake_range(server, address, length);
      return;
    } else if (error == ENOENT || error == ESRCH) {
      return; /* the range or the process is gone */
    } else server->failure = "the kernel refused a page";
  }
}

static void request_blocks(struct server *server) {
  uint64_t blocks = server->image.size / PAGE / BLOCK_PAGES + 1;
  for (uint64_t i = 0; i < blocks && server->wanted > 0 && server->in_flight < MAX_IN_FLIGHT; i++) {
    if (server->blocks[i] != BLOCK_WANTED) continue;
    server->blocks[i] = BLOCK_IN_FLIGHT;
    server->wanted--;
    server->in_flight++;
    server->counters.requests++;
    uint64_t offset = i * BLOCK_PAGES * PAGE;
    uint64_t left = server->image.size - offset;
    owner_request(server, offset, left < (uint64_t)BLOCK_PAGES * PAGE ? (uint32_t)left : (uint32_t)BLOCK_PAGES * PAGE);
  }
}

static bool missing(const struct server *server, uint64_t offset) { return !server->image.present[offset / PAGE] && !server->image.removed[offset / PAGE]; }

/* Brings in the page at `offset` of the image and missing neighbours, at most `around` of them. */
static void bring(struct server *server, uint64_t offset, size_t around) {
  const struct region *region = region_of_offset(server, offset);
  if (!region) return;
  uint64_t address = region->address + (offset - region->offset);
  if (server->image.removed[offset / PAGE]) {
    install(server, address, offset, NULL, 1);
    return;
  }
  const struct extent *extent = image_find(&server->image, offset);
  if (extent->kind == EXTENT_CALLBACK) {
    uint64_t block = offset / PAGE / BLOCK_PAGES;
    if (server->blocks[block] == BLOCK_IDLE) {
      server->blocks[block] = BLOCK_WANTED;
      server->wanted++;
      request_blocks(server);
    }
    return;
  }
  uint64_t window = around * PAGE;
  uint64_t low = offset - offset % window;
  uint64_t high = low + window;
  if (low < extent->offset) low = extent->offset;
  if (low < region->offset) low = region->offset;
  if (high > extent->offset + extent->length) high = extent->offset + extent->length;
  if (high > region->offset + region->size) high = region->offset + region->size;
  uint64_t from = offset;
  uint64_t to = offset + PAGE;
  while (from > low && missing(server, from - PAGE)) from -= PAGE;
  while (to < high && missing(server, to)) to += PAGE;
  unsigned char *bytes = extent->kind == EXTENT_FILE ? server->buffer : NULL;
  if (bytes && !image_read(&server->image, extent, from, bytes, to - from)) {
    server->failure = "a memory file is cut short or cannot be read";
    return;
  }
  install(server, region->address + (from - region->offset), from, bytes, (to - from) / PAGE);
}

static void fault(struct server *server, uint64_t address) {
  address -= address % PAGE;
  const struct region *region = region_of_address(server, address);
  if (!region) return;
  uint64_t offset = region->offset + (address - region->address);
  server->counters.faults++;
  if (!server->image.present[offset / PAGE] && server->recorded < server->record_limit) server->record[server->recorded++] = (uint32_t)(offset / PAGE);
  bring(server, offset, server->around);
}

static void event(struct server *server, const struct uffd_msg *message) {
  if (message->event == UFFD_EVENT_PAGEFAULT) {
    fault(server, message->arg.pagefault.address);
    return;
  }
  *(message->event == UFFD_EVENT_REMOVE ? &server->counters.removes : &server->counters.other_events) += 1;
  switch (message->event) {
    case UFFD_EVENT_REMOVE:
      regions_removed(server, message->arg.remove.start, message->arg.remove.end);
      break;
    case UFFD_EVENT_UNMAP:
      regions_unmapped(server, message->arg.remove.start, message->arg.remove.end);
      break;
    case UFFD_EVENT_REMAP:
      if (!regions_moved(server, message->arg.remap.from, message->arg.remap.to, message->arg.remap.len)) server->failure = "the machine remapped its memory too often";
      break;
    case UFFD_EVENT_FORK:
      /* Kept open and unserved: closing it would let the child read zeros where memory is missing. */
      if (server->child_count == MAX_CHILDREN) {
        close((int)message->arg.fork.ufd);
        server->failure = "the machine forked too often";
      } else server->children[server->child_count++] = (int)message->arg.fork.ufd;
      break;
    default:
      server->failure = "the kernel sent an unknown event";
  }
}

void serve_events(struct server *server) {
  struct uffd_msg messages[32];
  ssize_t n = read(server->uffd, messages, sizeof messages);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) server->failure = "the userfaultfd cannot be read";
    return;
  }
  for (size_t i = 0; i < (size_t)n / sizeof *messages && !server->failure; i++) event(server, &messages[i]);
}

bool serve_has_work(const struct server *server) {
  return server->prefetch_at < server->prefetch_count && !server->wanted && server->in_flight < MAX_PREFETCH_IN_FLIGHT;
}

/* Goes on behind the pages that were brought in around `offset`, within the run. */
static void skip_window(struct server *server, const struct run *run, uint64_t offset) {
  uint64_t page = offset / PAGE;
  uint64_t behind = page - page % server->around + server->around - run->first;
  if (server->prefetch_within == 0) return;
  if (behind < run->count) {
    server->prefetch_within = (uint32_t)behind;
    return;
  }
  server->prefetch_at++;
  server->prefetch_within = 0;
}

void serve_prefetch(struct server *server) {
  /* Pages that are there already are passed over, but not so many at once that a fault would wait. */
  for (size_t looked = 0; looked < MAX_LOOKED && server->prefetch_at < server->prefetch_count; looked++) {
    const struct run *run = &server->prefetch[server->prefetch_at];
    uint64_t offset = ((uint64_t)run->first + server->prefetch_within) * PAGE;
    if (++server->prefetch_within >= run->count) {
      server->prefetch_at++;
      server->prefetch_within = 0;
    }
    if (offset >= server->image.size || !missing(server, offset)) continue;
    bring(server, offset, server->around);
    /* What surrounds a page that was refused was refused with it; the next pass finds what was not. */
    if (server->fruitless) skip_window(server, run, offset);
    return;
  }
}

size_t serve_count_missing(const struct server *server) {
  size_t count = 0;
  for (size_t i = 0; i < server->prefetch_count; i++) {
    const struct run *run = &server->prefetch[i];
    for (uint64_t page = run->first; page < (uint64_t)run->first + run->count && page < server->image.size / PAGE; page++)
      if (missing(server, page * PAGE) && region_of_offset(server, page * PAGE)) count++;
  }
  return count;
}

void serve_provided(struct server *server, uint64_t offset, const unsigned char *bytes, size_t length) {
  uint64_t block = offset / PAGE / BLOCK_PAGES;
  if (server->blocks[block] == BLOCK_IN_FLIGHT) {
    server->blocks[block] = BLOCK_IDLE;
    server->in_flight--;
  }
  for (uint64_t done = 0; done < length; done += PAGE) {
    uint64_t at = offset + done;
    const struct region *region = region_of_offset(server, at);
    if (!region || server->image.present[at / PAGE] || image_find(&server->image, at)->kind != EXTENT_CALLBACK) continue;
    install(server, region->address + (at - region->offset), at, server->image.removed[at / PAGE] ? NULL : bytes + done, 1);
  }
  request_blocks(server);
}
