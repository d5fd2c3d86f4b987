/*
 * Editors replace a file by another one that they rename onto it, and links are put in the place of others. So the directories that
 * the path leads through last are watched too; after any change of theirs the path is looked at again. The file itself is watched
 * because it can be written to by other names.
 */
#define _GNU_SOURCE
#include "watch-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "watch-instance.h"

/* An editor that renames the old file away makes the new one in this time. */
enum { PATIENCE_MS = 20 };

static const uint32_t content = IN_MODIFY | IN_ATTRIB;
static const uint32_t names = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/* Watches the directory of a path; -1 with errno. */
static int watch_parent(const struct watch_file *file, const char *path) {
  char parent[PATH_LIMIT + 1];
  const char *slash = strrchr(path, '/');
  size_t length = slash && slash > path ? (size_t)(slash - path) : 1;
  memcpy(parent, path, length);
  parent[length] = 0;
  int fd = open(parent, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  int wd = watch_descriptor(file->inotify, fd, names);
  int problem = errno;
  close(fd);
  errno = problem;
  return wd;
}

/* Where the path leads to through links, as far as that is known. */
static void watch_target(struct watch_file *file) {
  char target[PATH_MAX];
  if (!realpath(file->path, target)) return;
  int wd = watch_parent(file, target);
  if (wd < 0 && errno == ENOSPC) file->report->lost = true;
  if (wd == file->target) return;
  if (file->target >= 0 && file->target != file->directory) (void)inotify_rm_watch(file->inotify, file->target);
  file->target = wd;
}

static bool is_same(const struct watch_file *file, const struct stat *st) { return file->present && st->st_dev == file->device && st->st_ino == file->inode; }

/* Watches the file that has the path now; false with errno when there is none. */
static bool watch_self(struct watch_file *file, struct stat *st) {
  int fd = open(file->path, O_PATH | O_CLOEXEC);
  if (fd < 0) return false;
  bool ok = fstat(fd, st) == 0;
  if (ok && !is_same(file, st)) {
    if (file->self >= 0) (void)inotify_rm_watch(file->inotify, file->self);
    file->self = watch_descriptor(file->inotify, fd, content);
    if (file->self < 0) {
      /* What is written to it is not seen. */
      file->problem = errno;
      file->report->lost = true;
    }
  }
  int problem = errno;
  close(fd);
  errno = problem;
  return ok;
}

static void set_present(struct watch_file *file, const struct stat *st) {
  file->present = st != NULL;
  if (!st) return;
  file->device = st->st_dev;
  file->inode = st->st_ino;
}

static bool more_comes(const struct watch_file *file) {
  struct pollfd readable = {.fd = file->inotify, .events = POLLIN};
  return poll(&readable, 1, PATIENCE_MS) > 0 && (readable.revents & POLLIN);
}

/* Compares the path with what is known; false when it leads nowhere and that is not reported yet. */
static bool look(struct watch_file *file, bool patient) {
  struct stat st;
  bool before = file->present;
  if (!watch_self(file, &st)) {
    if (!before) return true;
    if (patient) return false;
    if (file->self >= 0) (void)inotify_rm_watch(file->inotify, file->self);
    file->self = -1;
    set_present(file, NULL);
    report_change(file->report, CHANGE_REMOVE, false, "", "");
    return true;
  }
  if (is_same(file, &st)) return true;
  set_present(file, &st);
  watch_target(file);
  report_change(file->report, before ? CHANGE_WRITE : CHANGE_CREATE, S_ISDIR(st.st_mode), "", "");
  return true;
}

static void end(struct watch_file *file) {
  if (file->present) report_change(file->report, CHANGE_REMOVE, false, "", "");
  file->finished = true;
}

int watch_file_open(struct watch_file *file) {
  struct stat st;
  file->self = file->target = -1;
  file->directory = watch_parent(file, file->path);
  if (file->directory < 0 && errno == ENOSPC) return ENOSPC;
  if (!watch_self(file, &st)) return errno;
  if (file->self < 0) return file->problem;
  set_present(file, &st);
  watch_target(file);
  return 0;
}

/* What one read tells. */
struct round {
  bool named; /* something has another name */
  bool changed_mode;
};

static void handle(struct watch_file *file, const struct inotify_event *event, struct round *round) {
  if (event->mask & IN_Q_OVERFLOW) {
    file->report->lost = true;
    round->named = true;
  } else if (event->wd == file->self) {
    if (event->mask & IN_MODIFY) report_change(file->report, CHANGE_WRITE, false, "", "");
    if (event->mask & IN_ATTRIB) round->changed_mode = true;
    if (!(event->mask & IN_IGNORED)) return;
    file->self = -1;
    /* Its directory cannot be watched: that was all. */
    if (file->directory < 0) end(file);
  } else if (event->wd == file->directory) {
    round->named = true;
    if (event->len == 0 && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))) end(file);
  } else if (event->wd == file->target) {
    round->named = true;
    if (event->mask & IN_IGNORED) file->target = -1;
  }
}

void watch_file_read(struct watch_file *file, size_t enough) {
  _Alignas(struct inotify_event) uint8_t bytes[16384];
  bool waits = false;
  while (!file->finished && (waits || buffer_length(&file->report->records) < enough)) {
    struct round round = {.named = waits};
    ssize_t n = read(file->inotify, bytes, sizeof bytes);
    if (n <= 0 && (!waits || !more_comes(file))) break;
    for (ssize_t at = 0; at < n && !file->finished;) {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
      handle(file, event, &round);
      at += (ssize_t)(sizeof *event + event->len);
    }
    if (file->finished) return;
    bool known = file->present;
    ino_t inode = file->inode;
    if (round.named || round.changed_mode) waits = !look(file, true);
    /* A file that lost its name has changed, too. */
    if (round.changed_mode && !waits && known && file->present && file->inode == inode) report_change(file->report, CHANGE_CHMOD, false, "", "");
  }
  if (waits) (void)look(file, false);
}
