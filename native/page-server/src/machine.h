/* The machine's connection: its handshake, and its userfaultfd. The peer is hostile. */
#ifndef WRENN_MACHINE_H
#define WRENN_MACHINE_H
#include "server.h"

/* Takes a connection of the machine's user; others are closed. */
void machine_accept(struct server *server);
/* Reads what has come of the handshake. Begins to serve when it is whole and good; sets `server->failure` when it is not. */
void machine_handshake(struct server *server);
#endif
