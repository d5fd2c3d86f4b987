#ifndef WRENN_SHIM_SERVED_H
#define WRENN_SHIM_SERVED_H

#include "ranges.h"

/*
 * Gives the pages of `ranges` of `memory` into the hands of the page server at the unix socket `socket_path`: they become
 * missing, and each is asked of the server when it is first touched (Firecracker's handshake: the regions as JSON with the
 * userfaultfd beside it).
 *
 * From then on a thread watches the connection. The server writes the byte 'D' when every page is there, and is not needed
 * any more. When the connection ends without it, the process ends: a page that nobody brings would stop its guest for ever.
 * The userfaultfd stays open here until then, because a missing page reads as zero once its last descriptor is closed.
 *
 * Returns NULL, or what failed, with errno set; the memory must not be used then.
 */
const char *serve_memory(uint8_t *memory, size_t size, const struct range *ranges, size_t count, const char *socket_path);

#endif
