#define _GNU_SOURCE
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "feed.h"
#include "files.h"
#include "paths.h"
#include "process.h"
#include "requests.h"

enum { TRANSFER_LIMIT = 256, READ_PART = 131072 - 8, WRITE_WINDOW = 1 << 20, FLAG_PARENTS = 1, FLAG_EXCLUSIVE = 2 };

struct transfer {
  struct transfer *next;
  uint32_t handle;
  bool writing;
  int fd;
  /* reading */
  uint64_t base;   /* offset in the file of the stream's first byte */
  uint64_t length; /* of the stream */
  bool unmeasured; /* the length is known at the end only */
  uint64_t sent;
  uint64_t limit;
  bool attached;
  bool end_due;
  int problem;
  /* writing */
  uint64_t received;
  bool window_due;
  struct user user;
  bool exclusive;
  char path[PATH_LIMIT + 1];
  char temporary[PATH_LIMIT + 1];
};

static struct transfer *find(struct agent *agent, uint32_t handle) {
  for (struct transfer *t = agent->transfers; t; t = t->next)
    if (t->handle == handle) return t;
  return NULL;
}

static struct transfer *add(struct agent *agent, uint32_t handle) {
  struct transfer *t = agent->transfer_count < TRANSFER_LIMIT ? calloc(1, sizeof *t) : NULL;
  if (!t) return NULL;
  t->handle = handle;
  t->fd = -1;
  t->next = agent->transfers;
  agent->transfers = t;
  agent->transfer_count++;
  return t;
}

static void drop(struct agent *agent, struct transfer *transfer) {
  struct transfer **link = &agent->transfers;
  while (*link != transfer) link = &(*link)->next;
  *link = transfer->next;
  agent->transfer_count--;
  if (transfer->fd >= 0) close(transfer->fd);
  if (transfer->temporary[0] && user_assume(&transfer->user)) (void)unlink(transfer->temporary);
  user_restore();
  free(transfer);
}

void transfers_close_all(struct agent *agent) {
  while (agent->transfers) drop(agent, agent->transfers);
}

bool transfer_exists(struct agent *agent, uint32_t handle) { return find(agent, handle) != NULL; }

static bool usable_handle(struct agent *agent, uint32_t handle) {
  return handle > 0 && handle < 1u << 30 && !find(agent, handle) && !feed_find(agent, handle) && !process_find(agent, handle);
}

static int open_for_reading(struct transfer *t, const char *path, struct buffer *body) {
  struct stat st;
  /* O_NONBLOCK: a FIFO must not hold up the agent until a writer comes. */
  t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (t->fd < 0) return errno;
  if (fstat(t->fd, &st)) return errno;
  if (S_ISDIR(st.st_mode)) return EISDIR;
  if (!S_ISREG(st.st_mode)) return fail_with(body, EINVAL, "not a regular file");
  uint64_t size = (uint64_t)st.st_size;
  /* Files of /proc say that they are empty: only reading tells where they end. */
  t->unmeasured = size == 0;
  if (t->base > size && !t->unmeasured) t->base = size;
  if (t->length > size - t->base && !t->unmeasured) t->length = size - t->base;
  char final[PATH_MAX];
  return entry_write(body, realpath(path, final) ? final : path);
}

int request_read(struct agent *agent, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  struct user user;
  char path[PATH_LIMIT + 1];
  if (!usable_handle(agent, handle)) return fail_with(body, STATUS_BAD_REQUEST, "handle is in use");
  int status = files_begin(r, &user, path, body);
  struct transfer *t = status == STATUS_OK ? add(agent, handle) : NULL;
  if (status == STATUS_OK && !t) status = fail_with(body, STATUS_BUSY, "too many transfers");
  if (t) {
    t->base = read_u64(r);
    t->length = read_u64(r);
    t->end_due = true;
    status = r->failed ? fail_with(body, STATUS_BAD_REQUEST, "READ does not parse") : open_for_reading(t, path, body);
    if (status != STATUS_OK) drop(agent, t);
  }
  user_restore();
  return status;
}

static int open_for_writing(struct transfer *t, mode_t mode, uint32_t flags, struct buffer *body) {
  struct stat st;
  char final[PATH_MAX];
  /* Writing through a link replaces what the link points to, not the link. */
  if (realpath(t->path, final)) {
    if (strlen(final) > PATH_LIMIT) return ENAMETOOLONG;
    memcpy(t->path, final, strlen(final) + 1);
  }
  bool exists = stat(t->path, &st) == 0;
  if (exists && t->exclusive) return EEXIST;
  if (exists && S_ISDIR(st.st_mode)) return EISDIR;
  if (exists && !S_ISREG(st.st_mode)) return fail_with(body, EINVAL, "not a regular file");
  if (exists && access(t->path, W_OK) && geteuid() != 0) return errno;
  int problem = flags & FLAG_PARENTS ? path_make_parents(t->path) : 0;
  if (problem) return problem;
  uint32_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return EIO;
  size_t parent = (size_t)(strrchr(t->path, '/') - t->path);
  if (t->path[parent + 1] == 0) return EISDIR;
  if (snprintf(t->temporary, sizeof t->temporary, "%.*s/.wrenn-upload-%08x", (int)parent, t->path, random) > PATH_LIMIT) return ENAMETOOLONG;
  t->fd = open(t->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (t->fd < 0) {
    t->temporary[0] = 0;
    return errno;
  }
  if (fchmod(t->fd, exists ? st.st_mode & 07777 : mode)) return errno;
  /* Keeping a foreign owner takes the right to give files away; whoever lacks it owns the new file. */
  if (exists && fchown(t->fd, st.st_uid, st.st_gid) && errno != EPERM) return errno;
  write_u64(body, WRITE_WINDOW);
  return STATUS_OK;
}

int request_write(struct agent *agent, struct reader *r, struct buffer *body) {
  uint32_t handle = read_u32(r);
  struct user user;
  char path[PATH_LIMIT + 1];
  if (!usable_handle(agent, handle)) return fail_with(body, STATUS_BAD_REQUEST, "handle is in use");
  int status = files_begin(r, &user, path, body);
  struct transfer *t = status == STATUS_OK ? add(agent, handle) : NULL;
  if (status == STATUS_OK && !t) status = fail_with(body, STATUS_BUSY, "too many transfers");
  if (t) {
    mode_t mode = read_u32(r) & 07777;
    uint32_t flags = read_u32(r);
    t->writing = true;
    t->user = user;
    t->exclusive = flags & FLAG_EXCLUSIVE;
    memcpy(t->path, path, sizeof path);
    status = r->failed ? fail_with(body, STATUS_BAD_REQUEST, "WRITE does not parse") : open_for_writing(t, mode, flags, body);
    if (status != STATUS_OK) drop(agent, t);
  }
  user_restore();
  return status;
}

static int commit(struct transfer *t, uint64_t size, bool durable, struct buffer *body) {
  struct stat st;
  if (t->problem) return t->problem;
  if (t->received != size) return fail_with(body, EIO, "size differs from what arrived");
  if (durable && fsync(t->fd)) return errno;
  if (!user_assume(&t->user)) return EPERM;
  if (t->exclusive && lstat(t->path, &st) == 0) return EEXIST;
  if (rename(t->temporary, t->path)) return errno;
  t->temporary[0] = 0;
  return entry_write(body, t->path);
}

int request_commit(struct agent *agent, struct reader *r, struct buffer *body) {
  struct transfer *t = find(agent, read_u32(r));
  uint64_t size = read_u64(r);
  bool durable = read_u8(r);
  if (r->failed) return fail_with(body, STATUS_BAD_REQUEST, "COMMIT does not parse");
  if (!t || !t->writing) return STATUS_UNKNOWN_HANDLE;
  int status = commit(t, size, durable, body);
  user_restore();
  drop(agent, t);
  return status;
}

int request_close(struct agent *agent, struct reader *r) {
  uint32_t handle = read_u32(r);
  struct transfer *t = find(agent, handle);
  if (r->failed) return STATUS_BAD_REQUEST;
  if (feed_close(agent, handle)) return STATUS_OK;
  if (!t) return STATUS_UNKNOWN_HANDLE;
  drop(agent, t);
  return STATUS_OK;
}

void transfers_detach(struct agent *agent, int lane) {
  for (struct transfer *t = agent->transfers; lane == 1 && t; t = t->next) t->attached = false;
}

bool transfer_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit) {
  struct transfer *t = find(agent, stream / 4);
  if (!t) return false;
  if (t->writing) {
    t->window_due = true;
    return true;
  }
  if (!t->attached) t->sent = received < t->length ? received : t->length;
  t->attached = true;
  t->limit = limit;
  t->end_due = true;
  return true;
}

bool transfer_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length) {
  struct transfer *t = find(agent, stream / 4);
  if (!t || !t->writing || stream % 4 != 0) return t != NULL;
  t->window_due = true;
  if (offset > t->received || t->received - offset >= length) return true;
  size_t known = (size_t)(t->received - offset);
  bytes += known;
  length -= known;
  while (length > 0 && !t->problem) {
    ssize_t n = write(t->fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      t->problem = errno;
      break;
    }
    bytes += n;
    length -= (size_t)n;
    t->received += (uint64_t)n;
  }
  return true;
}

static void put_u64(uint8_t *to, uint64_t value) {
  for (int i = 0; i < 8; i++) to[i] = (uint8_t)(value >> (8 * i));
}

static void send_end(struct lane *lane, uint32_t stream, uint64_t offset, int problem) {
  uint8_t end[12] = {0};
  put_u64(end, offset);
  end[8] = (uint8_t)problem;
  end[9] = (uint8_t)(problem >> 8);
  lane_send(lane, FRAME_END, stream, end, sizeof end, NULL, 0);
}

static bool pump_reading(struct lane *lane, struct transfer *t) {
  static uint8_t bytes[READ_PART];
  bool queued = false;
  while (t->attached && !t->problem && t->sent < t->length && t->sent < t->limit && lane_has_room(lane)) {
    uint64_t want = t->length - t->sent;
    if (want > t->limit - t->sent) want = t->limit - t->sent;
    if (want > sizeof bytes) want = sizeof bytes;
    ssize_t n = pread(t->fd, bytes, (size_t)want, (off_t)(t->base + t->sent));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 && t->unmeasured) {
      t->length = t->sent;
      break;
    }
    if (n <= 0) {
      /* The file became shorter while it was read: what was promised cannot be delivered. */
      t->problem = n < 0 ? errno : EIO;
      t->end_due = true;
      break;
    }
    uint8_t head[8];
    put_u64(head, t->sent);
    lane_send(lane, FRAME_DATA, t->handle * 4 + 1, head, sizeof head, bytes, (size_t)n);
    t->sent += (uint64_t)n;
    queued = true;
  }
  if (t->attached && t->end_due && (t->problem || t->sent >= t->length) && lane_has_room(lane)) {
    send_end(lane, t->handle * 4 + 1, t->sent, t->problem);
    t->end_due = false;
    queued = true;
  }
  return queued;
}

static bool pump_writing(struct lane *lane, struct transfer *t) {
  if (!t->window_due || !lane_has_room(lane)) return false;
  uint8_t window[16];
  put_u64(window, t->received);
  put_u64(window + 8, t->received + WRITE_WINDOW);
  lane_send(lane, FRAME_WINDOW, t->handle * 4, window, sizeof window, NULL, 0);
  if (t->problem) send_end(lane, t->handle * 4, t->received, t->problem);
  t->window_due = false;
  return true;
}

bool transfers_pump(struct agent *agent, struct lane *lane) {
  bool queued = false;
  if (lane->number != 1 || !lane_connected(lane)) return false;
  for (struct transfer *t = agent->transfers; t; t = t->next) queued |= t->writing ? pump_writing(lane, t) : pump_reading(lane, t);
  return queued;
}
