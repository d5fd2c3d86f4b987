/* Where the machine's memory lies now. Addresses in events come from the kernel, on behalf of a hostile machine. */
#include "regions.h"
#include <string.h>

const struct region *region_of_address(const struct server *server, uint64_t address) {
  for (size_t i = 0; i < server->region_count; i++)
    if (address - server->regions[i].address < server->regions[i].size) return &server->regions[i];
  return NULL;
}

const struct region *region_of_offset(const struct server *server, uint64_t offset) {
  for (size_t i = 0; i < server->region_count; i++)
    if (offset - server->regions[i].offset < server->regions[i].size) return &server->regions[i];
  return NULL;
}

void regions_removed(struct server *server, uint64_t start, uint64_t end) {
  for (size_t i = 0; i < server->region_count; i++) {
    const struct region *r = &server->regions[i];
    uint64_t from = start > r->address ? start : r->address;
    uint64_t to = end < r->address + r->size ? end : r->address + r->size;
    if (from >= to) continue;
    uint64_t first = (r->offset + (from - r->address)) / PAGE;
    memset(server->image.removed + first, 1, (to - from) / PAGE);
    memset(server->image.present + first, 0, (to - from) / PAGE);
  }
}

/* Cuts [start, end) out of all regions; a cut piece is appended with its address moved by `shift` when `keep` is set. */
static bool cut(struct server *server, uint64_t start, uint64_t end, bool keep, uint64_t shift) {
  struct region result[MAX_REMAPPED_REGIONS];
  size_t count = 0;
  for (size_t i = 0; i < server->region_count; i++) {
    struct region r = server->regions[i];
    uint64_t r_end = r.address + r.size;
    uint64_t from = start > r.address ? start : r.address;
    uint64_t to = end < r_end ? end : r_end;
    if (count + 3 > MAX_REMAPPED_REGIONS) return false;
    if (from >= to) {
      result[count++] = r;
      continue;
    }
    if (from > r.address) result[count++] = (struct region){r.address, from - r.address, r.offset};
    if (to < r_end) result[count++] = (struct region){to, r_end - to, r.offset + (to - r.address)};
    if (keep) result[count++] = (struct region){from + shift, to - from, r.offset + (from - r.address)};
  }
  memcpy(server->regions, result, count * sizeof *result);
  server->region_count = count;
  return true;
}

void regions_unmapped(struct server *server, uint64_t start, uint64_t end) {
  if (!cut(server, start, end, false, 0)) server->failure = "the machine unmapped its memory in too many pieces";
}

bool regions_moved(struct server *server, uint64_t from, uint64_t to, uint64_t length) { return cut(server, from, from + length, true, to - from); }
