/*
 * The tree may be changed while it is walked, by those it is walked for: every step goes down from an open directory
 * without following links, depth and names are bounded, and a file is as long as its header said.
 */
#define _GNU_SOURCE
#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "paths.h"
#include "status.h"
#include "tar.h"
#include "temporary.h"

enum { DEPTH_LIMIT = 128, PART = 65536, RING = 1 << 20, LIMIT = 16 };

struct level {
  DIR *directory;
  size_t name_length; /* of `name` below this level */
};

struct archive {
  struct user user;
  struct level levels[DEPTH_LIMIT];
  int depth; /* open levels */
  char name[PATH_LIMIT + 1];
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

static void descend(struct archive *a, int parent, const char *entry) {
  int fd = openat(parent, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : a->depth < DEPTH_LIMIT ? fdopendir(fd) : (errno = ENAMETOOLONG, NULL);
  if (!directory) {
    remember(a, errno);
    if (fd >= 0) close(fd);
    return;
  }
  a->levels[a->depth++] = (struct level){directory, strlen(a->name)};
}

static void open_content(struct archive *a, int parent, const char *entry, struct stat *st) {
  struct stat now;
  a->file = openat(parent, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (a->file >= 0 && fstat(a->file, &now) == 0 && S_ISREG(now.st_mode)) {
    *st = now;
    a->left = (uint64_t)now.st_size;
    a->padding = tar_padding(a->left);
    return;
  }
  if (a->file < 0) remember(a, errno);
  if (a->file >= 0) close(a->file);
  a->file = -1;
}

static void add_entry(struct archive *a, int parent, const char *entry) {
  struct stat st;
  char link[PATH_LIMIT + 1] = "";
  if (fstatat(parent, entry, &st, AT_SYMLINK_NOFOLLOW)) {
    remember(a, errno);
    return;
  }
  if (S_ISLNK(st.st_mode)) {
    ssize_t n = readlinkat(parent, entry, link, sizeof link - 1);
    if (n < 0) {
      if (errno != EINVAL) remember(a, errno);
      return;
    }
    link[n] = 0;
  }
  if (S_ISREG(st.st_mode)) {
    open_content(a, parent, entry, &st);
    if (a->file < 0) return;
  }
  (void)tar_header(a->made, a->name, link, &st);
  if (S_ISDIR(st.st_mode)) descend(a, parent, entry);
}

/* One step of the walk: the next name of the deepest open directory. */
static void step(struct archive *a) {
  struct level *level = &a->levels[a->depth - 1];
  errno = 0;
  struct dirent *entry = readdir(level->directory);
  if (!entry) {
    remember(a, errno);
    closedir(level->directory);
    a->depth--;
    return;
  }
  if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || temporary_is(entry->d_name)) return;
  a->name[level->name_length] = 0;
  size_t room = sizeof a->name - level->name_length;
  int n = snprintf(a->name + level->name_length, room, "%s%s", level->name_length > 0 ? "/" : "", entry->d_name);
  if ((size_t)n >= room)
    remember(a, ENAMETOOLONG);
  else
    add_entry(a, dirfd(level->directory), entry->d_name);
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
    } else if (a->depth > 0) {
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
  DIR *directory = status == STATUS_OK ? opendir(path) : NULL;
  if (status == STATUS_OK && !directory) status = errno;
  user_restore();
  if (directory) a->levels[a->depth++] = (struct level){directory, 0};
  return status;
}

static void close_archive(void *source) {
  struct archive *a = source;
  while (a->depth > 0) closedir(a->levels[--a->depth].directory);
  if (a->file >= 0) close(a->file);
  free(a);
}

static const struct feed_kind archives = {.capacity = RING, .limit = LIMIT, .class = JOB_FEED, .open = open_archive, .make = make, .close = close_archive};

int request_archive(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct archive *a = calloc(1, sizeof *a);
  if (a) a->file = -1;
  return feed_begin(feeds, ticket, &archives, a, r, body);
}
