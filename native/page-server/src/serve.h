#ifndef WRENN_SERVE_H
#define WRENN_SERVE_H
#include "server.h"
/* Reads and answers what the userfaultfd has to say; never blocks. */
void serve_events(struct server *server);
/* Whether there are pages to bring in while nothing faults. */
bool serve_has_work(const struct server *server);
/* Brings in the next of them. */
void serve_prefetch(struct server *server);
/* How many pages of the prefetch list are still to be brought in. */
size_t serve_count_missing(const struct server *server);
/* Gives a requested block to the machine. */
void serve_provided(struct server *server, uint64_t offset, const unsigned char *bytes, size_t length);
#endif
