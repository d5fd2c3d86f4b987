#define _GNU_SOURCE
#include "peer.h"
#include <sys/socket.h>

bool peer_is(int fd, uid_t uid) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.uid == uid;
}
