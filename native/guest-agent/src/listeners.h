/* Sockets of the guest that wait for connections or datagrams, and the processes that hold them. */
#ifndef WRENN_LISTENERS_H
#define WRENN_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "blocking-job.h"

enum listener_protocol { LISTENER_TCP = 6, LISTENER_UDP = 17 };

struct listener {
  uint8_t protocol;
  uint8_t family; /* 4 or 6 */
  uint16_t port;
  uint8_t address[16];
  uint32_t uid;
  uint64_t inode;
  uint32_t pid; /* 0 while it is not known */
  char name[16];
};

struct listener_summary {
  uint32_t tcp;
  /* Differs when any listener appeared, ended or was replaced; the order of the kernel's tables does not matter. */
  uint64_t digest;
};

enum listener_row { ROW_LISTENER, ROW_OTHER, ROW_DAMAGED };

/* Parses a line of /proc/net/{tcp,tcp6,udp,udp6}; fills `listener` only for ROW_LISTENER. */
enum listener_row listener_parse(const char *line, enum listener_protocol protocol, uint8_t family, struct listener *listener);

/*
 * Parses a line of /proc/net/sockstat or sockstat6. Returns the bit of the table that has no sockets by it, in the order tcp, tcp6, udp,
 * udp6; 0 for every other line.
 */
unsigned int listener_unused_table(const char *line);

struct listener_summary listeners_summarise(void);

/* PORTS, for hosts of earlier versions, and LISTENERS. */
blocking_function run_ports;
blocking_function run_listeners;

#endif
