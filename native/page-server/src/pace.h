/* How much of a processor a machine gets for its faults, and how long it is tried to give it its pages. */
#ifndef WRENN_PACE_H
#define WRENN_PACE_H
#include "server.h"
/* Answers events of the machine. One that floods the server waits longer than the server works for it. */
void pace_events(struct server *server);
/*
 * Whether nothing can be missing any more, and the machine knows it. A page that was refused for a moment is tried again. A machine
 * can make the kernel refuse it for ever: then it sets `server->failure`.
 */
bool pace_is_finished(struct server *server);
#endif
