/* A ring keeps the newest bytes under their offsets, whatever the order of writing and releasing. */
#include "../src/ring.h"

#include "check.h"

static uint8_t byte_at(uint64_t offset) { return (uint8_t)(offset * 31 + offset / 251); }

static void fill(struct ring *ring, size_t wanted) {
  while (wanted > 0) {
    size_t room;
    uint8_t *at = ring_room(ring, &room);
    if (room == 0) return;
    if (room > wanted) room = wanted;
    for (size_t i = 0; i < room; i++) at[i] = byte_at(ring->end + i);
    ring_grow(ring, room);
    wanted -= room;
  }
}

static void verify(const struct ring *ring) {
  for (uint64_t offset = ring->start; offset < ring->end;) {
    size_t length;
    const uint8_t *bytes = ring_peek(ring, offset, &length);
    CHECK(length > 0);
    for (size_t i = 0; i < length; i++) CHECK(bytes[i] == byte_at(offset + i));
    offset += length;
  }
}

int main(void) {
  struct ring ring;
  unsigned int random = 1;
  CHECK(ring_open(&ring, 97));
  for (int round = 0; round < 20000; round++) {
    random = random * 1103515245u + 12345u;
    fill(&ring, random >> 16 & 127);
    CHECK(ring.end - ring.start <= ring.capacity);
    CHECK(ring_free(&ring) == ring.capacity - (size_t)(ring.end - ring.start));
    verify(&ring);
    random = random * 1103515245u + 12345u;
    ring_release(&ring, ring.start + (random >> 16 & 127));
    CHECK(ring.start <= ring.end);
    verify(&ring);
    if (round % 7 == 0) {
      size_t held = (size_t)(ring.end - ring.start);
      random = random * 1103515245u + 12345u;
      CHECK(ring_resize(&ring, held + 1 + (random >> 16 & 127)));
      CHECK(ring.end - ring.start == held);
      verify(&ring);
    }
  }
  uint64_t end = ring.end;
  ring_release(&ring, UINT64_MAX);
  CHECK(ring.start == end && ring.end == end);
  ring_release(&ring, 0);
  CHECK(ring.start == end);
  ring_close(&ring);
  return 0;
}
