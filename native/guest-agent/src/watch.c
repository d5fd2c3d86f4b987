/*
 * inotify(7), one instance per watch. The guest's users make the names and as many events as they like: directories,
 * records and the feed are bounded, and what does not fit is reported as an overflow, never silently lost.
 */
#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "paths.h"
#include "status.h"
#include "watch-file.h"
#include "watch-instance.h"
#include "watch-tree.h"

enum { WATCH_LIMIT = 64, RING = 131072, FLAG_RECURSIVE = 1, FLAG_UNWATCHED = 2 };

struct watcher {
  int inotify;
  bool is_tree;
  struct user user;
  struct watch_report report;
  struct watch_tree tree;
  struct watch_file file;
  char root[PATH_LIMIT + 1];
};

static enum making make(void *source, struct buffer *made, size_t enough, int *status) {
  struct watcher *w = source;
  bool finished;
  if (user_assume(&w->user)) {
    if (w->is_tree)
      watch_tree_read(&w->tree, enough);
    else
      watch_file_read(&w->file, enough);
    finished = w->is_tree ? w->tree.finished : w->file.finished;
  } else {
    *status = EPERM;
    finished = true;
  }
  user_restore();
  report_take(&w->report, made);
  return finished ? MAKING_DONE : MAKING_MORE;
}

static int descriptor(const void *source) { return ((const struct watcher *)source)->inotify; }

static void close_watcher(void *source) {
  struct watcher *w = source;
  if (w->inotify >= 0) close(w->inotify);
  watch_tree_free(&w->tree);
  buffer_free(&w->report.records);
  free(w);
}

static int watch_root(struct watcher *w, bool recursive, struct buffer *detail) {
  static const char none_left[] = "the guest has no watches left";
  struct stat st;
  if (stat(w->root, &st)) return errno;
  w->is_tree = S_ISDIR(st.st_mode);
  w->inotify = watch_instance(&w->user);
  if (w->inotify < 0) return errno == EMFILE ? fail_with(detail, STATUS_BUSY, none_left) : errno;
  w->tree = (struct watch_tree){.inotify = w->inotify, .recursive = recursive, .root = w->root, .report = &w->report};
  w->file = (struct watch_file){.inotify = w->inotify, .path = w->root, .report = &w->report};
  int problem = w->is_tree ? watch_tree_open(&w->tree) : watch_file_open(&w->file);
  /* ENOSPC is about watches here, not about a disk. */
  return problem == ENOSPC ? fail_with(detail, STATUS_BUSY, none_left) : problem;
}

static int open_watcher(void *source, struct reader *r, struct buffer *detail) {
  struct watcher *w = source;
  int status = files_begin(r, &w->user, w->root, detail);
  uint8_t flags = read_u8(r);
  w->report.names_unwatched = flags & FLAG_UNWATCHED;
  if (status == STATUS_OK && !read_finished(r)) status = fail_with(detail, STATUS_BAD_REQUEST, "WATCH does not parse");
  if (status == STATUS_OK) status = watch_root(w, flags & FLAG_RECURSIVE, detail);
  user_restore();
  return status;
}

static const struct feed_kind watches = {
    .capacity = RING, .limit = WATCH_LIMIT, .class = JOB_WATCH, .lossy = true, .put_loss = report_put_loss, .open = open_watcher, .make = make, .close = close_watcher, .descriptor = descriptor};

int request_watch(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct watcher *w = calloc(1, sizeof *w);
  if (w) w->inotify = -1;
  return feed_begin(feeds, ticket, &watches, w, r, body);
}
