/*
 * Frames of a host agent that sends anything, to a machine that is there and to one that is not. The first byte chooses; then either
 * raw bytes follow, or frames: a type, a length (u16) and a payload.
 */
#include "owner.h"
#include "serve.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { RAW = 1, KNOWS_MEMORY = 2, SERVES = 4 };

static struct server server;

static void give(const void *bytes, size_t length) {
  if (length > sizeof server.owner.input - server.owner.received) abort();
  memcpy(server.owner.input + server.owner.received, bytes, length);
  server.owner.received += length;
}

static void give_frame(uint32_t type, const void *payload, size_t length) {
  uint32_t head[2] = {type, (uint32_t)length};
  give(head, sizeof head);
  give(payload, length);
  owner_take(&server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct extent extents[2] = {{0, 64 * PAGE, EXTENT_ZERO, 0, 0}, {64 * PAGE, 100 * PAGE, EXTENT_CALLBACK, 0, 0}};
  static const uint32_t set_up[6] = {16, 5000, 0, 2, 0, 0};
  if (size < 1) return 0;
  /* Not what was received or queued: that is most of it, and read only as far as it was written. */
  server.owner.received = server.owner.queued = 0;
  memset(&server.image, 0, sizeof server - offsetof(struct server, image));
  server.phase = PHASE_SET_UP;
  server.listener = server.peer = server.uffd = server.owner.fd = -1;
  const uint8_t kind = *data++;
  size--;
  if (kind & KNOWS_MEMORY) {
    give_frame(TO_SET_UP, set_up, sizeof set_up);
    give_frame(TO_EXTENTS, extents, sizeof extents);
  }
  while (size > 0 && !server.failure) {
    if (server.phase == PHASE_LISTEN && kind & SERVES) {
      server.regions[server.region_count++] = (struct region){PAGE, server.image.size, 0};
      server.phase = PHASE_SERVE;
      owner_request(&server, 64 * PAGE, BLOCK_PAGES * PAGE);
    }
    if (kind & RAW || size < 3) {
      size_t piece = size < 4096 ? size : 4096;
      give(data, piece);
      owner_take(&server);
      data += piece;
      size -= piece;
      continue;
    }
    size_t length = (size_t)data[1] | (size_t)data[2] << 8;
    if (length > size - 3) length = size - 3;
    give_frame(data[0] % 8, data + 3, length);
    data += 3 + length;
    size -= 3 + length;
  }
  if (server.phase == PHASE_SERVE && serve_has_work(&server)) serve_prefetch(&server);
  if (server.failure) owner_ended(&server, OUTCOME_FAILED, server.failure);
  if (server.owner.queued > sizeof server.owner.output) abort();
  free(server.image.extents);
  free(server.image.present);
  free(server.image.removed);
  free(server.prefetch);
  free(server.buffer);
  free(server.blocks);
  free(server.record);
  return 0;
}
