/* The connection to the host agent: protocol.h says what travels over it. */
#ifndef WRENN_OWNER_H
#define WRENN_OWNER_H
#include "server.h"

/* Reads what has come and handles each whole frame. False when the host agent is gone. A wrong frame sets `server->failure`. */
bool owner_read(struct server *server);
/* Handles what has come: owner_read without its socket. */
void owner_take(struct server *server);
/* Writes what is queued, as far as there is room. False when the host agent is gone. */
bool owner_flush(struct server *server);
bool owner_has_output(const struct server *server);
void owner_request(struct server *server, uint64_t offset, uint32_t length);
/* Queues the last frame. */
void owner_ended(struct server *server, uint32_t outcome, const char *text);
#endif
