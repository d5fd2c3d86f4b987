#define _GNU_SOURCE
#include "listeners.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regular-file.h"
#include "status.h"

enum {
  TCP_LISTEN = 10,
  /* The state of a UDP socket that is bound and not connected. */
  UDP_UNCONNECTED = 7,
  /* Clients get their ports from this range, and keep them for a moment: no service is meant by them. */
  UDP_CLIENT_FIRST = 32768,
  UDP_CLIENT_LAST = 60999,
  /* Rows of a table that are looked at. */
  ROW_LIMIT = 4096,
  /* Listeners of an answer. */
  LISTENER_LIMIT = 256,
  /* Processes and descriptors that are looked through for the holders. */
  PROCESS_LIMIT = 4096,
  DESCRIPTOR_LIMIT = 65536,
};

enum { TABLES = 4 };

static const struct table {
  const char *path;
  /* Of its line in /proc/net/sockstat{,6}. */
  const char *name;
  enum listener_protocol protocol;
  uint8_t family;
} tables[TABLES] = {
    {"/proc/net/tcp", "TCP: inuse ", LISTENER_TCP, 4},
    {"/proc/net/tcp6", "TCP6: inuse ", LISTENER_TCP, 6},
    {"/proc/net/udp", "UDP: inuse ", LISTENER_UDP, 4},
    {"/proc/net/udp6", "UDP6: inuse ", LISTENER_UDP, 6},
};

enum listener_row listener_parse(const char *line, enum listener_protocol protocol, uint8_t family, struct listener *listener) {
  char address[40];
  unsigned int port;
  unsigned int state;
  unsigned int uid;
  unsigned long long inode;
  if (sscanf(line, " %*d: %39[0-9A-F]:%x %*s %x %*s %*s %*s %u %*s %llu", address, &port, &state, &uid, &inode) != 5) return ROW_DAMAGED;
  size_t bytes = family == 4 ? 4 : 16;
  if (strlen(address) != bytes * 2 || port > 65535) return ROW_DAMAGED;
  if (state != (protocol == LISTENER_TCP ? TCP_LISTEN : UDP_UNCONNECTED) || port == 0) return ROW_OTHER;
  if (protocol == LISTENER_UDP && port >= UDP_CLIENT_FIRST && port <= UDP_CLIENT_LAST) return ROW_OTHER;
  struct listener found = {.protocol = (uint8_t)protocol, .family = family, .port = (uint16_t)port, .uid = uid, .inode = inode};
  /* Each group of four bytes is printed as a host-order (little-endian) word. */
  for (size_t i = 0; i < bytes; i++) {
    unsigned int value;
    if (sscanf(address + i * 2, "%2x", &value) != 1) return ROW_DAMAGED;
    found.address[(i & ~(size_t)3) + 3 - (i & 3)] = (uint8_t)value;
  }
  *listener = found;
  return ROW_LISTENER;
}

typedef void listener_visitor(const struct listener *listener, void *context);

static void visit_table(const struct table *table, listener_visitor *visit, void *context) {
  FILE *file = regular_file_open(table->path);
  char line[512];
  struct listener listener;
  if (!file) return;
  bool more = fgets(line, sizeof line, file) != NULL; /* the heading */
  for (int row = 0; more && row < ROW_LIMIT && fgets(line, sizeof line, file); row++) {
    enum listener_row kind = listener_parse(line, table->protocol, table->family, &listener);
    if (kind == ROW_LISTENER) visit(&listener, context);
    /* The kernel prints the listening TCP sockets first: thousands of connections cost nothing. */
    more = kind == ROW_LISTENER || table->protocol == LISTENER_UDP;
  }
  fclose(file);
}

unsigned int listener_unused_table(const char *line) {
  for (unsigned int i = 0; i < TABLES; i++)
    if (!strncmp(line, tables[i].name, strlen(tables[i].name))) return line[strlen(tables[i].name)] == '0' ? 1u << i : 0;
  return 0;
}

static unsigned int unused_tables(const char *path) {
  FILE *file = regular_file_open(path);
  char line[256];
  unsigned int unused = 0;
  while (file && fgets(line, sizeof line, file)) unused |= listener_unused_table(line);
  if (file) fclose(file);
  return unused;
}

/* For each table the kernel looks through thousands of hash buckets, and in most capsules nothing listens: that is asked for first. */
static void visit_all(listener_visitor *visit, void *context) {
  unsigned int unused = unused_tables("/proc/net/sockstat") | unused_tables("/proc/net/sockstat6");
  for (size_t i = 0; i < TABLES; i++)
    if (!(unused & 1u << i)) visit_table(&tables[i], visit, context);
}

/* FNV-1a over what makes a listener itself; its inode tells it from a successor on the same port. */
static uint64_t hash_of(const struct listener *l) {
  uint64_t hash = 0xcbf29ce484222325u;
  uint8_t key[28] = {l->protocol, l->family, (uint8_t)l->port, (uint8_t)(l->port >> 8)};
  memcpy(key + 4, l->address, sizeof l->address);
  memcpy(key + 20, &l->inode, sizeof l->inode);
  for (size_t i = 0; i < sizeof key; i++) hash = (hash ^ key[i]) * 0x100000001b3u;
  return hash;
}

static void summarise(const struct listener *listener, void *context) {
  struct listener_summary *summary = context;
  summary->tcp += listener->protocol == LISTENER_TCP;
  summary->digest += hash_of(listener);
}

struct listener_summary listeners_summarise(void) {
  struct listener_summary summary = {0};
  visit_all(summarise, &summary);
  return summary;
}

struct listing {
  struct listener *listeners;
  uint32_t total;
  uint32_t kept;
  uint32_t known;
};

static void keep(const struct listener *listener, void *context) {
  struct listing *listing = context;
  listing->total++;
  if (listing->kept < LISTENER_LIMIT) listing->listeners[listing->kept++] = *listener;
}

static void read_name(int process, char name[16]) {
  int fd = openat(process, "comm", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, name, 15);
  if (fd >= 0) close(fd);
  name[n < 0 ? 0 : n] = 0;
  name[strcspn(name, "\n")] = 0;
}

/* Of several processes that share a socket the first one that is found, as a rule the oldest, counts as its holder. */
static void note_holder(struct listing *listing, uint64_t inode, uint32_t pid, int process) {
  for (uint32_t i = 0; i < listing->kept; i++) {
    struct listener *l = &listing->listeners[i];
    if (l->inode != inode || l->pid != 0) continue;
    l->pid = pid;
    read_name(process, l->name);
    listing->known++;
  }
}

static void look_through(struct listing *listing, uint32_t pid, int process, int *descriptors) {
  int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) {
    if (fd >= 0) close(fd);
    return;
  }
  for (struct dirent *entry; *descriptors > 0 && listing->known < listing->kept && (entry = readdir(directory)); --*descriptors) {
    char target[64];
    unsigned long long inode;
    ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
    if (n <= 0) continue;
    target[n] = 0;
    if (sscanf(target, "socket:[%llu]", &inode) == 1) note_holder(listing, inode, pid, process);
  }
  closedir(directory);
}

static void find_holders(struct listing *listing) {
  int processes = PROCESS_LIMIT;
  int descriptors = DESCRIPTOR_LIMIT;
  DIR *proc = listing->kept > 0 ? opendir("/proc") : NULL;
  if (!proc) return;
  for (struct dirent *entry; processes > 0 && descriptors > 0 && listing->known < listing->kept && (entry = readdir(proc));) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    processes--;
    int process = openat(dirfd(proc), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process < 0) continue;
    look_through(listing, (uint32_t)strtoul(entry->d_name, NULL, 10), process, &descriptors);
    close(process);
  }
  closedir(proc);
}

int run_listeners(uint16_t op, struct reader *r, struct buffer *body) {
  (void)op;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "LISTENERS does not parse");
  struct listing listing = {.listeners = calloc(LISTENER_LIMIT, sizeof(struct listener))};
  if (!listing.listeners) return fail_with(body, STATUS_BUSY, "no memory");
  visit_all(keep, &listing);
  find_holders(&listing);
  write_u32(body, listing.total);
  write_u32(body, listing.kept);
  for (uint32_t i = 0; i < listing.kept; i++) {
    const struct listener *l = &listing.listeners[i];
    write_u8(body, l->protocol);
    write_u16(body, l->port);
    write_bytes(body, l->address, l->family == 4 ? 4 : 16);
    write_u32(body, l->uid);
    write_u32(body, l->pid);
    write_text(body, l->name);
  }
  free(listing.listeners);
  return STATUS_OK;
}

struct port_list {
  struct buffer *body;
  uint32_t count;
};

static void write_port(const struct listener *listener, void *context) {
  struct port_list *list = context;
  if (listener->protocol != LISTENER_TCP) return;
  list->count++;
  write_u8(list->body, listener->family);
  write_u16(list->body, listener->port);
  write_bytes(list->body, listener->address, listener->family == 4 ? 4 : 16);
  write_u32(list->body, listener->uid);
}

int run_ports(uint16_t op, struct reader *r, struct buffer *body) {
  (void)op;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "PORTS does not parse");
  struct port_list list = {.body = body};
  write_u32(body, 0);
  size_t at = buffer_length(body) - 4;
  visit_all(write_port, &list);
  /* Known only afterwards: sockets come and go. */
  for (size_t i = 0; i < 4; i++) body->bytes[body->start + at + i] = (uint8_t)(list.count >> (8 * i));
  return STATUS_OK;
}
