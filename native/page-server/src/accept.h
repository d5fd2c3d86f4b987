#ifndef WRENN_ACCEPT_H
#define WRENN_ACCEPT_H
#include "server.h"
/* Waits for the machine and its handshake. NULL when it was good or a stop was asked for, else what is wrong. */
const char *accept_machine(struct server *server);
#endif
