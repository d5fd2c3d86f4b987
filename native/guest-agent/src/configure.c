#define _GNU_SOURCE
#include "configure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "counters.h"
#include "hooks.h"
#include "status.h"

enum { ENTROPY_LIMIT = 512, FLAG_HOOKS = 1 };

int request_info(struct agent *agent, struct reader *r, struct buffer *body) {
  struct utsname name;
  struct timespec up;
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "INFO does not parse");
  uname(&name);
  clock_gettime(CLOCK_MONOTONIC, &up);
  write_text(body, AGENT_VERSION);
  write_text(body, name.release);
  write_u64(body, agent->instance);
  write_u64(body, (uint64_t)up.tv_sec * 1000u + (uint64_t)up.tv_nsec / 1000000u);
  write_u64(body, wall_clock_ns());
  return STATUS_OK;
}

/* Written over and then cut: ext4 would write a file that was emptied first to disk before close returns. */
static bool write_whole(const char *path, const char *text) {
  size_t length = strlen(text);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return false;
  bool ok = write(fd, text, length) == (ssize_t)length && ftruncate(fd, (off_t)length) == 0;
  return close(fd) == 0 && ok;
}

static bool seed_entropy(struct view entropy) {
  /* struct rand_pool_info ends in an array without a length: its room is a buffer of the right alignment. */
  uint32_t room[(sizeof(struct rand_pool_info) + ENTROPY_LIMIT) / sizeof(uint32_t)];
  struct rand_pool_info *pool = (struct rand_pool_info *)room;
  pool->entropy_count = (int)entropy.length * 8;
  pool->buf_size = (int)entropy.length;
  memcpy(pool->buf, entropy.bytes, entropy.length);
  int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = ioctl(fd, RNDADDENTROPY, pool) == 0 && ioctl(fd, RNDRESEEDCRNG, 0) == 0;
  close(fd);
  return ok;
}

bool set_hostname(const char *name) {
  char hosts[512];
  if (sethostname(name, strlen(name))) return false;
  snprintf(hosts, sizeof hosts, "127.0.0.1 localhost\n127.0.1.1 %s\n::1 ip6-localhost\n", name);
  (void)write_whole("/etc/hostname", name);
  return write_whole("/etc/hosts", hosts);
}

static bool valid_hostname(const char *name) {
  return strlen(name) <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == strlen(name);
}

static bool valid_machine_id(const char *id) { return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32; }

static int set_clock(uint64_t ns) {
  struct timespec now = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  return clock_settime(CLOCK_REALTIME, &now) ? errno : STATUS_OK;
}

static int apply(struct view entropy, uint64_t clock_ns, const char *hostname, const char *machine_id, uint64_t generation, struct buffer *detail) {
  char text[64];
  if (clock_ns != 0 && set_clock(clock_ns)) return fail_with(detail, EPERM, "cannot set the clock");
  if (entropy.length > 0 && !seed_entropy(entropy)) return fail_with(detail, EPERM, "cannot seed the random number generator");
  if (*hostname && !set_hostname(hostname)) return fail_with(detail, EIO, "cannot set the hostname");
  if (*machine_id) {
    snprintf(text, sizeof text, "%s\n", machine_id);
    if (!write_whole("/etc/machine-id", text)) return fail_with(detail, EIO, "cannot write /etc/machine-id");
  }
  (void)mkdir("/run/wrenn", 0755);
  snprintf(text, sizeof text, "%llu\n", (unsigned long long)generation);
  if (generation != 0 && !write_whole("/run/wrenn/generation", text)) return fail_with(detail, EIO, "cannot write /run/wrenn/generation");
  return STATUS_OK;
}

int request_configure(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  uint64_t clock_ns = read_u64(r);
  struct view entropy = read_bytes(r);
  char *hostname = read_text(r, 63);
  char *machine_id = read_text(r, 32);
  uint64_t generation = read_u64(r);
  uint32_t flags = read_u32(r);
  struct environment defaults = {0};
  bool ok = hostname && machine_id && environment_read(&defaults, r) && read_finished(r) && flags <= FLAG_HOOKS && entropy.length <= ENTROPY_LIMIT && valid_hostname(hostname) &&
            (!*machine_id || valid_machine_id(machine_id));
  int status = ok ? apply(entropy, clock_ns, hostname, machine_id, generation, body) : fail_with(body, STATUS_BAD_REQUEST, "CONFIGURE does not parse");
  if (status == STATUS_OK && !environment_merge(&agent->defaults, &defaults)) status = fail_with(body, ENOMEM, "out of memory");
  /* Last, so that hooks find everything as it will be. */
  if (status == STATUS_OK && flags & FLAG_HOOKS)
    status = hooks_begin(agent, ticket);
  else if (status == STATUS_OK)
    write_u64(body, wall_clock_ns());
  environment_free(&defaults);
  free(hostname);
  free(machine_id);
  return status;
}
