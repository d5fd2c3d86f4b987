/*
 * inotify(7), one instance per watch. The guest's users make the names and as many events as they like: directories,
 * records and the feed are bounded, and what does not fit is reported as an overflow, never silently lost.
 */
#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "paths.h"
#include "status.h"
#include "temporary.h"
#include "watch-directories.h"

enum { DEPTH_LIMIT = 128, MOVE_PATIENCE_MS = 10 };

enum { WATCH_LIMIT = 64, RING = 131072, MADE_LIMIT = 1 << 20, KIND_CREATE = 1, KIND_WRITE, KIND_REMOVE, KIND_RENAME, KIND_CHMOD, KIND_OVERFLOW };

static const uint32_t interest = IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

struct watcher {
  int inotify;
  struct buffer *made;
  struct user user;
  bool recursive;
  bool root_is_directory;
  bool lost;     /* events were missed, which the next record must say */
  bool finished; /* what was watched is gone */
  struct directories directories;
  /* The first half of a rename, until its second half or something else comes. */
  uint32_t cookie;
  /* The same of a temporary name, which is never reported: what is moved from it appears under its true name. */
  uint32_t hidden_cookie;
  bool hidden_upload;
  bool moved_directory;
  char moved[PATH_LIMIT + 1];
  char root[PATH_LIMIT + 1];
};

static void put(struct buffer *made, uint8_t kind, bool directory, const char *path, const char *old) {
  write_u32(made, (uint32_t)(2 + 4 + strlen(path) + 4 + strlen(old)));
  write_u8(made, kind);
  write_u8(made, directory);
  write_text(made, path);
  write_text(made, old);
}

static void put_loss(struct buffer *to) { put(to, KIND_OVERFLOW, false, "", ""); }

static void tell_loss(struct watcher *w) {
  if (w->lost) put_loss(w->made);
  w->lost = false;
}

static void report(struct watcher *w, uint8_t kind, bool directory, const char *path, const char *old) {
  /* A tree moved in is announced as a whole: what of it does not fit is one overflow. */
  if (buffer_length(w->made) > MADE_LIMIT) {
    w->lost = true;
    return;
  }
  tell_loss(w);
  put(w->made, kind, directory, path, old);
}

static void add_directory(struct watcher *w, const char *relative, bool announce);

static void add_content(void *context, const char *relative, bool directory, bool announce) {
  struct watcher *w = context;
  if (announce) report(w, KIND_CREATE, directory, relative, "");
  if (directory) add_directory(w, relative, announce);
}

static int depth_of(const char *path) {
  int depth = 0;
  for (; *path; path++) depth += *path == '/';
  return depth;
}

/* Watches a directory and, for recursive watches, those below it. What was made before the watch stood is announced. */
static void add_directory(struct watcher *w, const char *relative, bool announce) {
  char path[PATH_LIMIT + 1];
  if (depth_of(relative) > DEPTH_LIMIT || !directories_path(w->root, relative, path)) {
    w->lost = true;
    return;
  }
  int wd = inotify_add_watch(w->inotify, path, interest | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK);
  if (wd < 0) {
    /* Gone again, or not readable by this user: not to be seen. Out of watches: events will be missed. */
    if (errno == ENOSPC) w->lost = true;
    return;
  }
  if (!directories_add(&w->directories, wd, relative)) {
    (void)inotify_rm_watch(w->inotify, wd);
    w->lost = true;
    return;
  }
  directories_scan(path, relative, announce, add_content, w);
}

static void flush_moved(struct watcher *w) {
  if (w->cookie == 0) return;
  w->cookie = 0;
  report(w, KIND_REMOVE, w->moved_directory, w->moved, "");
  if (w->moved_directory) directories_remove_below(&w->directories, w->inotify, w->moved);
}

static void moved_to(struct watcher *w, const struct inotify_event *event, const char *path) {
  bool directory = event->mask & IN_ISDIR;
  if (w->cookie != 0 && w->cookie == event->cookie) {
    w->cookie = 0;
    report(w, KIND_RENAME, directory, path, w->moved);
    if (directory && !directories_rename(&w->directories, w->moved, path)) w->lost = true;
    return;
  }
  flush_moved(w);
  /* An upload is renamed only onto a file that it replaces. */
  bool replaced = w->hidden_cookie != 0 && w->hidden_cookie == event->cookie && w->hidden_upload;
  report(w, replaced ? KIND_WRITE : KIND_CREATE, directory, path, "");
  if (directory && w->recursive) add_directory(w, path, true);
}

/* Events of temporary names are left out; the cookie of a move leads to what they become. */
static void hide(struct watcher *w, const struct inotify_event *event) {
  if (!(event->mask & IN_MOVED_FROM)) return;
  w->hidden_cookie = event->cookie;
  w->hidden_upload = temporary_is_kind(event->name, TEMPORARY_UPLOAD);
}

/* Changes of mode reach the directory of a file that has no name yet; the kernel then calls it by its number. */
static bool is_nameless(const struct watcher *w, const char *path, const char *name) {
  char whole[PATH_LIMIT + 1];
  struct stat st;
  if (name[0] != '#' || strspn(name + 1, "0123456789") != strlen(name + 1)) return false;
  return directories_path(w->root, path, whole) && lstat(whole, &st) && errno == ENOENT;
}

static void handle(struct watcher *w, const struct inotify_event *event) {
  char path[PATH_LIMIT + 1];
  bool directory = event->mask & IN_ISDIR;
  if (event->mask & IN_Q_OVERFLOW) w->lost = true;
  const char *parent = directories_find(&w->directories, event->wd);
  if (!parent) return;
  bool root = *parent == 0;
  if (event->mask & IN_IGNORED) {
    directories_remove(&w->directories, event->wd);
    if (root) w->finished = true;
    return;
  }
  if (event->len == 0) {
    /* About the watched directory itself: its parent's watch says the same, except for the root. */
    if (!root) return;
    directory = w->root_is_directory;
    if (event->mask & IN_MODIFY) report(w, KIND_WRITE, directory, "", "");
    if (event->mask & IN_ATTRIB) report(w, KIND_CHMOD, directory, "", "");
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) report(w, KIND_REMOVE, directory, "", "");
    /* It lives on under another name, which is not what was asked for. */
    if (event->mask & IN_MOVE_SELF) w->finished = true;
    return;
  }
  if (temporary_is(event->name)) {
    hide(w, event);
    return;
  }
  int n = snprintf(path, sizeof path, "%s%s%s", parent, root ? "" : "/", event->name);
  if (n < 0 || (size_t)n >= sizeof path) {
    w->lost = true;
    return;
  }
  if (event->mask & IN_MOVED_TO) {
    moved_to(w, event, path);
    return;
  }
  flush_moved(w);
  if (event->mask & IN_MOVED_FROM) {
    w->cookie = event->cookie;
    w->moved_directory = directory;
    memcpy(w->moved, path, sizeof path);
  }
  if (event->mask & IN_CREATE) report(w, KIND_CREATE, directory, path, "");
  if (event->mask & IN_CREATE && directory && w->recursive) add_directory(w, path, true);
  if (event->mask & IN_MODIFY) report(w, KIND_WRITE, directory, path, "");
  if (event->mask & IN_ATTRIB && !is_nameless(w, path, event->name)) report(w, KIND_CHMOD, directory, path, "");
  if (event->mask & IN_DELETE) report(w, KIND_REMOVE, directory, path, "");
}

/* The kernel reports both sides of a move one after the other: the second may come a moment after the first was read. */
static bool other_side_comes(const struct watcher *w) {
  struct pollfd readable = {.fd = w->inotify, .events = POLLIN};
  return w->cookie != 0 && poll(&readable, 1, MOVE_PATIENCE_MS) > 0 && (readable.revents & POLLIN);
}

static enum making make(void *source, struct buffer *made, size_t enough, int *status) {
  _Alignas(struct inotify_event) uint8_t bytes[16384];
  struct watcher *w = source;
  w->made = made;
  if (!user_assume(&w->user)) {
    *status = EPERM;
    w->finished = true;
  }
  while (!w->finished && buffer_length(made) < enough) {
    ssize_t n = read(w->inotify, bytes, sizeof bytes);
    if (n <= 0 && !other_side_comes(w)) break;
    for (ssize_t at = 0; at < n;) {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
      handle(w, event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
  flush_moved(w);
  tell_loss(w);
  user_restore();
  return w->finished ? MAKING_DONE : MAKING_MORE;
}

static int descriptor(const void *source) { return ((const struct watcher *)source)->inotify; }

static void close_watcher(void *source) {
  struct watcher *w = source;
  if (w->inotify >= 0) close(w->inotify);
  directories_free(&w->directories);
  free(w);
}

/* Watches the root, which may be a file. */
static int watch_root(struct watcher *w, struct buffer *detail) {
  static const char none_left[] = "the guest has no watches left";
  struct stat st;
  if (stat(w->root, &st)) return errno;
  w->root_is_directory = S_ISDIR(st.st_mode);
  w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (w->inotify < 0) return errno == EMFILE ? fail_with(detail, STATUS_BUSY, none_left) : errno;
  int wd = inotify_add_watch(w->inotify, w->root, interest | IN_EXCL_UNLINK);
  /* ENOSPC is about watches here, not about a disk. */
  if (wd < 0) return errno == ENOSPC ? fail_with(detail, STATUS_BUSY, none_left) : errno;
  if (!directories_add(&w->directories, wd, "")) return ENOMEM;
  if (w->recursive && w->root_is_directory) directories_scan(w->root, "", false, add_content, w);
  return STATUS_OK;
}

static int open_watcher(void *source, struct reader *r, struct buffer *detail) {
  struct watcher *w = source;
  int status = files_begin(r, &w->user, w->root, detail);
  w->recursive = read_u8(r);
  if (status == STATUS_OK && !read_finished(r)) status = fail_with(detail, STATUS_BAD_REQUEST, "WATCH does not parse");
  if (status == STATUS_OK) status = watch_root(w, detail);
  user_restore();
  return status;
}

static const struct feed_kind watches = {
    .capacity = RING, .limit = WATCH_LIMIT, .lossy = true, .put_loss = put_loss, .open = open_watcher, .make = make, .close = close_watcher, .descriptor = descriptor};

int request_watch(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct watcher *w = calloc(1, sizeof *w);
  if (w) w->inotify = -1;
  return feed_begin(feeds, ticket, &watches, w, r, body);
}
