#ifndef WRENN_PEER_H
#define WRENN_PEER_H
#include <stdbool.h>
#include <sys/types.h>
/* Whether a process of the user made the connection. */
bool peer_is(int fd, uid_t uid);
#endif
