/*
 * The tree may be changed while it is walked, by those it is walked for: every step goes down from an open directory
 * without following links, and a file is as long as its header said. Neither depth nor the length of a path is limited but by memory.
 */
#define _GNU_SOURCE
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "measure.h"
#include "paths.h"
#include "status.h"
#include "tar.h"
#include "temporary.h"
#include "walk.h"

enum { PART = 65536, RING = 1 << 20, LIMIT = 16, NAME_LIMIT = 2 << 20, UNMEASURED_LIMIT = 16 << 20 };

struct archive {
  struct user user;
  struct walk walk;
  struct buffer name; /* of the entry, with its terminator */
  struct buffer *made;
  int file;
  uint64_t left;    /* content of `file` still to deliver */
  size_t padding;   /* after it */
  int problem;      /* the first thing that could not be archived */
};

static void remember(struct archive *a, int problem) {
  /* What vanishes while the tree is walked, or becomes another kind of file, is simply not there. */
  bool vanished = problem == ENOENT || problem == ENOTDIR || problem == ELOOP || problem == ENXIO;
  if (a->problem == 0 && !vanished) a->problem = problem;
}

static const char *name_of(const struct archive *a) { return (const char *)buffer_data(&a->name); }

/* Reads a file whose size nobody knows before, for its header; 0 or an errno. */
static int read_unmeasured(int file, struct buffer *content) {
  uint8_t bytes[PART];
  for (;;) {
    ssize_t n = read(file, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : 0;
    if (buffer_length(content) + (size_t)n > UNMEASURED_LIMIT) return EFBIG;
    if (!buffer_append(content, bytes, (size_t)n)) return ENOMEM;
  }
}

/* What the kernel makes up and then refuses to tell holds nothing. */
static void add_unmeasured(struct archive *a, int file, struct stat *st) {
  static const uint8_t zeros[TAR_BLOCK];
  struct buffer content = {0};
  int problem = read_unmeasured(file, &content);
  if (problem == 0) {
    st->st_size = (off_t)buffer_length(&content);
    (void)tar_header(a->made, name_of(a), "", st);
    (void)buffer_append(a->made, buffer_data(&content), buffer_length(&content));
    (void)buffer_append(a->made, zeros, tar_padding((uint64_t)st->st_size));
  } else if (problem == EFBIG || problem == ENOMEM || !is_of_kernel(file)) {
    remember(a, problem);
  }
  buffer_free(&content);
}

static void add_file(struct archive *a, int parent, const char *entry, const struct stat *seen) {
  struct stat st;
  int file = openat(parent, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) {
    /* The kernel's own files that can only be written. */
    bool unreadable = (seen->st_mode & 0444) == 0 && errno != ENOMEM && errno != EMFILE;
    if (!unreadable || !is_of_kernel(parent)) remember(a, errno);
    return;
  }
  if (fstat(file, &st) == 0 && S_ISREG(st.st_mode)) {
    if (is_unmeasured(file, st.st_size)) {
      add_unmeasured(a, file, &st);
    } else {
      (void)tar_header(a->made, name_of(a), "", &st);
      a->file = file;
      a->left = (uint64_t)st.st_size;
      a->padding = tar_padding(a->left);
      return;
    }
  }
  close(file);
}

static void add_link(struct archive *a, int parent, const char *entry, const struct stat *st) {
  char link[PATH_LIMIT + 1];
  ssize_t n = readlinkat(parent, entry, link, sizeof link - 1);
  if (n < 0) {
    if (errno != EINVAL) remember(a, errno);
    return;
  }
  link[n] = 0;
  (void)tar_header(a->made, name_of(a), link, st);
}

static void add_entry(struct archive *a, const char *entry) {
  int parent = walk_fd(&a->walk);
  struct stat st;
  if (fstatat(parent, entry, &st, AT_SYMLINK_NOFOLLOW)) {
    remember(a, errno);
  } else if (S_ISREG(st.st_mode)) {
    add_file(a, parent, entry, &st);
  } else if (S_ISLNK(st.st_mode)) {
    add_link(a, parent, entry, &st);
  } else {
    (void)tar_header(a->made, name_of(a), "", &st);
    int problem = S_ISDIR(st.st_mode) ? walk_enter(&a->walk, parent, entry) : 0;
    if (problem) remember(a, problem);
  }
}

/* One step of the walk: the next name of the deepest open directory. */
static void step(struct archive *a) {
  const char *entry = walk_next(&a->walk);
  if (!entry) {
    int problem = walk_leave(&a->walk);
    if (!problem) return;
    /* The walk lost its way. */
    remember(a, problem);
    walk_end(&a->walk);
    return;
  }
  if (temporary_is(entry)) return;
  buffer_consume(&a->name, buffer_length(&a->name));
  bool named = walk_path(&a->walk, &a->name) && buffer_append(&a->name, "", 1);
  if (named) buffer_consume(&a->name, 1);
  if (!named || buffer_length(&a->name) > NAME_LIMIT)
    remember(a, named ? ENAMETOOLONG : ENOMEM);
  else
    add_entry(a, entry);
}

static void read_content(struct archive *a) {
  uint8_t bytes[PART];
  size_t want = a->left < sizeof bytes ? (size_t)a->left : sizeof bytes;
  ssize_t n = want > 0 ? read(a->file, bytes, want) : 0;
  if (n < 0 && errno == EINTR) return;
  if (want > 0 && n <= 0) {
    /* The file became shorter: zeros keep the archive readable, the status says that it is not whole. */
    remember(a, n < 0 ? errno : EIO);
    memset(bytes, 0, want);
    n = (ssize_t)want;
  }
  (void)buffer_append(a->made, bytes, (size_t)n);
  a->left -= (uint64_t)n;
  if (a->left > 0) return;
  memset(bytes, 0, a->padding);
  (void)buffer_append(a->made, bytes, a->padding);
  close(a->file);
  a->file = -1;
}

static enum making make(void *source, struct buffer *made, size_t enough, int *status) {
  struct archive *a = source;
  a->made = made;
  enum making making = MAKING_MORE;
  if (!user_assume(&a->user)) {
    *status = EPERM;
    making = MAKING_DONE;
  }
  while (making == MAKING_MORE && buffer_length(made) < enough) {
    if (a->file >= 0) {
      read_content(a);
    } else if (walk_depth(&a->walk) > 0) {
      step(a);
    } else {
      tar_finish(made);
      *status = a->problem;
      making = MAKING_DONE;
    }
  }
  user_restore();
  return making;
}

static int open_archive(void *source, struct reader *r, struct buffer *detail) {
  struct archive *a = source;
  char path[PATH_LIMIT + 1];
  int status = files_begin(r, &a->user, path, detail);
  if (status == STATUS_OK && !read_finished(r)) status = fail_with(detail, STATUS_BAD_REQUEST, "ARCHIVE does not parse");
  int root = status == STATUS_OK ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (status == STATUS_OK && root < 0) status = errno;
  if (status == STATUS_OK) status = walk_enter(&a->walk, root, ".");
  if (root >= 0) close(root);
  user_restore();
  return status;
}

static void close_archive(void *source) {
  struct archive *a = source;
  walk_end(&a->walk);
  buffer_free(&a->name);
  if (a->file >= 0) close(a->file);
  free(a);
}

static const struct feed_kind archives = {.capacity = RING, .limit = LIMIT, .class = JOB_FEED, .open = open_archive, .make = make, .close = close_archive};

int request_archive(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct archive *a = calloc(1, sizeof *a);
  if (a) a->file = -1;
  return feed_begin(feeds, ticket, &archives, a, r, body);
}
