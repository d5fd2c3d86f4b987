/* Rows of the kernel's tables of sockets, whole and broken, and the listeners of this process. */
#define _GNU_SOURCE
#include "../src/listeners.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../src/wire.h"
#include "check.h"

static void rows(void) {
  struct listener l = {0};
  const char *tcp = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0\n";
  CHECK(listener_parse(tcp, LISTENER_TCP, 4, &l) == ROW_LISTENER);
  CHECK(l.port == 8080 && l.uid == 1000 && l.inode == 4242 && memcmp(l.address, "\x7f\0\0\1", 4) == 0);
  CHECK(listener_parse("   1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000 0 0 7 1", LISTENER_TCP, 4, &l) == ROW_OTHER);
  const char *six = "  12: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 101 0 9 2 0";
  CHECK(listener_parse(six, LISTENER_UDP, 6, &l) == ROW_LISTENER);
  CHECK(l.port == 53 && l.address[15] == 1 && l.address[12] == 0);
  /* A client's port. */
  CHECK(listener_parse("   0: 00000000:9C40 00000000:0000 07 0:0 00:0 0 0 0 9 2", LISTENER_UDP, 4, &l) == ROW_OTHER);
  CHECK(listener_parse("   0: 00000000:9C40 00000000:0000 0A 0:0 00:0 0 0 0 9 2", LISTENER_TCP, 4, &l) == ROW_LISTENER);
}

static void broken_rows(void) {
  static const char *const lines[] = {
      "", "\n", "   0:", "   0: 0100007F:1F90", "   0: 0100007:1F90 0:0 0A 0:0 00:0 0 0 0 1", "   0: 0100007F:1FFFF 0:0 0A 0:0 00:0 0 0 0 1",
      "   0: 0100007F0100007F0100007F0100007F0100007F:50 0:0 0A 0:0 00:0 0 0 0 1", "  sl  local_address rem_address   st tx_queue",
  };
  struct listener l = {.port = 7};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(listener_parse(lines[i], LISTENER_TCP, 4, &l) == ROW_DAMAGED);
  CHECK(l.port == 7);
}

static void unused_tables(void) {
  CHECK(listener_unused_table("TCP: inuse 0 orphan 0 tw 0 alloc 1 mem 0\n") == 1);
  CHECK(listener_unused_table("TCP6: inuse 0\n") == 2);
  CHECK(listener_unused_table("UDP: inuse 0 mem 0\n") == 4);
  CHECK(listener_unused_table("UDP6: inuse 0\n") == 8);
  static const char *const others[] = {"",         "TCP: inuse 1 orphan 0", "TCP: inuse 10", "TCP: inuse ", "TCP:", "sockets: used 0\n", "UDPLITE: inuse 0\n",
                                       "UDPLITE6: inuse 0\n", "RAW: inuse 0\n",        " TCP: inuse 0"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) CHECK(listener_unused_table(others[i]) == 0);
}

static int listen_on(uint16_t *port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0);
  CHECK(listen(fd, 1) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
  *port = ntohs(at.sin_port);
  return fd;
}

static bool is_listed(uint16_t port, uint32_t pid) {
  struct reader none = {0};
  struct buffer body = {0};
  CHECK(run_listeners(8, &none, &body) == 0);
  struct reader r = {buffer_data(&body), buffer_length(&body), false};
  uint32_t total = read_u32(&r);
  uint32_t kept = read_u32(&r);
  bool found = false;
  CHECK(kept <= total);
  for (uint32_t i = 0; i < kept; i++) {
    uint8_t protocol = read_u8(&r);
    uint16_t number = read_u16(&r);
    struct view address = read_bytes(&r);
    (void)read_u32(&r);
    uint32_t holder = read_u32(&r);
    struct view name = read_bytes(&r);
    CHECK(protocol == LISTENER_TCP || protocol == LISTENER_UDP);
    CHECK((address.length == 4 || address.length == 16) && name.length < 16);
    if (protocol == LISTENER_TCP && number == port && holder == pid) found = true;
  }
  CHECK(read_finished(&r));
  buffer_free(&body);
  return found;
}

static void own_listeners(void) {
  uint16_t port;
  uint64_t before = listeners_summarise().digest;
  int fd = listen_on(&port);
  CHECK(is_listed(port, (uint32_t)getpid()));
  CHECK(listeners_summarise().digest != before);
  close(fd);
  CHECK(!is_listed(port, (uint32_t)getpid()));
}

static void trailing_bytes(void) {
  struct buffer body = {0};
  struct reader r = {(const uint8_t *)"x", 1, false};
  CHECK(run_listeners(8, &r, &body) != 0);
  buffer_free(&body);
}

int main(void) {
  rows();
  broken_rows();
  unused_tables();
  own_listeners();
  trailing_bytes();
  return 0;
}
