#ifndef WRENN_REGIONS_H
#define WRENN_REGIONS_H
#include "server.h"
const struct region *region_of_address(const struct server *server, uint64_t address);
const struct region *region_of_offset(const struct server *server, uint64_t offset);
/* The machine gave pages back: they are zero from now on. */
void regions_removed(struct server *server, uint64_t start, uint64_t end);
void regions_unmapped(struct server *server, uint64_t start, uint64_t end);
/* False when the list of regions is full. */
bool regions_moved(struct server *server, uint64_t from, uint64_t to, uint64_t length);
#endif
