/*
 * The kernel names a directory by its watch descriptor, and what happened in it by a name. The agent reads that later than it
 * happened: by then the name may stand for something else. So a directory is looked at through the descriptor of its parent, and
 * only while the parent's path leads to the directory that it is the path of. Where it does not, the parent is on the move: an
 * event that is still to be read says where it went, and its content is looked at then. What is watched follows what is there
 * now; a difference to what the events say makes the clients read again.
 */
#define _GNU_SOURCE
#include "watch-tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary.h"
#include "watch-instance.h"

enum { DEPTH_LIMIT = 128, MORE = 4 };

static const uint32_t interest = IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK | IN_ONLYDIR;

static void report(struct watch_tree *tree, enum change kind, bool directory, const struct watched *parent, const char *name) {
  char path[PATH_LIMIT + 1];
  if (directories_path(parent, name, path))
    report_change(tree->report, kind, directory, path, "");
  else
    tree->report->lost = true;
}

static void report_blind(struct watch_tree *tree, const struct watched *parent, const char *name, int problem) {
  char path[PATH_LIMIT + 1];
  report_unwatched(tree->report, directories_path(parent, name, path) ? path : "", problem);
}

/* Opens a directory by its path; -1 with errno, ENOENT also when another one is there. */
static int open_watched(const struct watch_tree *tree, const struct watched *directory) {
  char relative[PATH_LIMIT + 1];
  char path[PATH_LIMIT + 1];
  struct stat st;
  if (!directories_path(directory, "", relative)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int n = snprintf(path, sizeof path, "%s%s%s", tree->root, *relative ? "/" : "", relative);
  if (n < 0 || (size_t)n >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | (directory->parent ? O_NOFOLLOW : 0));
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == directory->device && st.st_ino == directory->inode) return fd;
  if (fd >= 0) {
    close(fd);
    errno = ENOENT;
  }
  return -1;
}

static bool has_vanished(int problem) { return problem == ENOENT || problem == ENOTDIR || problem == ELOOP; }

static int open_child(int parent, const char *name) { return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }

static void scan(struct watch_tree *tree, struct watched *directory, int fd, bool announce);

/* The directory behind `fd`, which it closes, is at this place now. */
static void watch_directory(struct watch_tree *tree, struct watched *parent, const char *name, int fd, bool announce) {
  struct stat st;
  int wd = fstat(fd, &st) ? -1 : directories_depth(parent) >= DEPTH_LIMIT ? (errno = ENAMETOOLONG, -1) : watch_descriptor(tree->inotify, fd, interest);
  if (wd < 0) {
    report_blind(tree, parent, name, errno);
    close(fd);
    return;
  }
  struct watched *known = directories_find(&tree->directories, wd);
  struct watched *there = directories_child(&tree->directories, parent, name);
  if (there && there != known) {
    tree->report->lost = true;
    directories_drop(&tree->directories, tree->inotify, there);
    known = directories_find(&tree->directories, wd);
  }
  if (known && known != there) {
    /* It is further than the events that were read. */
    tree->report->lost = true;
    known = directories_move(&tree->directories, known, parent, name);
    if (!known) tree->rebuild = true;
    announce = true;
  } else if (!known) {
    known = directories_add(&tree->directories, wd, parent, name);
    if (known) {
      known->device = st.st_dev;
      known->inode = st.st_ino;
    } else {
      (void)inotify_rm_watch(tree->inotify, wd);
      report_blind(tree, parent, name, ENOSPC);
    }
  } else if (!announce) {
    known = NULL;
  }
  if (known)
    scan(tree, known, fd, announce);
  else
    close(fd);
}

static bool is_directory(int parent, const struct dirent *entry) {
  struct stat st;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  return fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Watches the directories in one, and with `announce` reports all that is in it. Closes `fd`. */
static void scan(struct watch_tree *tree, struct watched *directory, int fd, bool announce) {
  DIR *entries = fdopendir(fd);
  int wd = directory->wd;
  directory->missed = false;
  if (!entries) {
    report_blind(tree, directory, "", errno);
    close(fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(entries));) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || temporary_is(name)) continue;
    bool is = is_directory(dirfd(entries), entry);
    if (announce) report(tree, CHANGE_CREATE, is, directory, name);
    if (!is) continue;
    int child = open_child(dirfd(entries), name);
    if (child >= 0)
      watch_directory(tree, directory, name, child, announce);
    else if (!has_vanished(errno))
      report_blind(tree, directory, name, errno);
    /* What was found further down may have been this one. */
    directory = directories_find(&tree->directories, wd);
    if (!directory || tree->rebuild) break;
  }
  closedir(entries);
}

/* Looks at a directory that an event named: what is in it is reported. */
static void look_at(struct watch_tree *tree, struct watched *parent, const char *name) {
  int above = open_watched(tree, parent);
  if (above < 0) {
    if (has_vanished(errno))
      parent->missed = tree->missed = true;
    else
      report_blind(tree, parent, name, errno);
    return;
  }
  int fd = open_child(above, name);
  int problem = errno;
  close(above);
  if (fd >= 0)
    watch_directory(tree, parent, name, fd, true);
  else if (!has_vanished(problem))
    report_blind(tree, parent, name, problem);
}

/* Whether a directory is where it is known to be. */
static bool is_there(const struct watch_tree *tree, const struct watched *directory) {
  int fd = open_watched(tree, directory);
  if (fd < 0) return !has_vanished(errno);
  close(fd);
  return true;
}

/* A directory that left its place: it, or what took its place, is watched as long as it is there. */
static void left(struct watch_tree *tree, const struct watched *parent, const char *name) {
  struct watched *directory = parent ? directories_child(&tree->directories, parent, name) : NULL;
  if (directory && !is_there(tree, directory)) directories_drop(&tree->directories, tree->inotify, directory);
}

/* The second half does not come: it went out of the tree. */
static void end_move(struct watch_tree *tree, struct move *half) {
  if (!half->hidden) report_change(tree->report, CHANGE_REMOVE, half->directory, half->path, "");
  if (half->directory) left(tree, directories_find(&tree->directories, half->parent), half->name);
  move_free(half);
}

/* Moves what is watched along with a rename inside of the tree. */
static void follow(struct watch_tree *tree, const struct move *half, struct watched *parent, const char *name) {
  struct watched *from = directories_find(&tree->directories, half->parent);
  struct watched *directory = from ? directories_child(&tree->directories, from, half->name) : NULL;
  struct watched *replaced = directories_child(&tree->directories, parent, name);
  struct stat st;
  int wd = parent->wd;
  int above = directory ? open_watched(tree, parent) : -1;
  bool is = above >= 0 && fstatat(above, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == directory->device && st.st_ino == directory->inode;
  if (above >= 0) close(above);
  bool missed = !is;
  if (is && replaced && replaced != directory) {
    int moved = directory->wd;
    directories_drop(&tree->directories, tree->inotify, replaced);
    directory = directories_find(&tree->directories, moved);
  }
  if (!is)
    left(tree, from, half->name);
  else if (directory)
    missed = directory->missed;
  /* What is known may be ahead of the events: each of the directories may have been below another one. */
  parent = directories_find(&tree->directories, wd);
  if (!parent || (is && (!directory || !directories_move(&tree->directories, directory, parent, name))))
    tree->rebuild = true;
  else if (missed && (parent = directories_find(&tree->directories, wd)))
    look_at(tree, parent, name);
}

static void moved_to(struct watch_tree *tree, const struct inotify_event *event, struct watched *parent) {
  char path[PATH_LIMIT + 1];
  struct move half = {0};
  bool directory = event->mask & IN_ISDIR;
  bool paired = moves_take(&tree->moves, event->cookie, &half);
  if (!paired || half.hidden)
    /* An upload is renamed only onto a file that it replaces. */
    report(tree, paired && half.upload ? CHANGE_WRITE : CHANGE_CREATE, directory, parent, event->name);
  else if (directories_path(parent, event->name, path))
    report_change(tree->report, CHANGE_RENAME, directory, path, half.path);
  else
    tree->report->lost = true;
  if (directory && tree->recursive) {
    if (paired && !half.hidden)
      follow(tree, &half, parent, event->name);
    else
      look_at(tree, parent, event->name);
  }
  if (paired) move_free(&half);
}

static void moved_from(struct watch_tree *tree, const struct inotify_event *event, const struct watched *parent) {
  char path[PATH_LIMIT + 1];
  struct move oldest;
  bool hidden = temporary_is(event->name);
  struct move half = {.cookie = event->cookie, .directory = event->mask & IN_ISDIR, .hidden = hidden, .parent = parent->wd};
  half.upload = hidden && temporary_is_kind(event->name, TEMPORARY_UPLOAD);
  if (tree->moves.count == MOVES_LIMIT && moves_oldest(&tree->moves, &oldest)) end_move(tree, &oldest);
  /* The half that was ended may have been above this directory. */
  parent = directories_find(&tree->directories, event->wd);
  if (!parent || !directories_path(parent, event->name, path) || !moves_hold(&tree->moves, half, event->name, path)) tree->report->lost = true;
}

/* Changes of mode reach the directory of a file that has no name yet; the kernel then calls it by its number. */
static bool is_nameless(const struct watch_tree *tree, const struct watched *parent, const char *name) {
  struct stat st;
  if (name[0] != '#' || strspn(name + 1, "0123456789") != strlen(name + 1)) return false;
  int above = open_watched(tree, parent);
  bool is = above >= 0 && fstatat(above, name, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;
  if (above >= 0) close(above);
  return is;
}

/* About a watched directory itself: its parent's watch says the same, except for the root. */
static void handle_root(struct watch_tree *tree, uint32_t mask) {
  if (mask & IN_ATTRIB) report_change(tree->report, CHANGE_CHMOD, true, "", "");
  if (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) report_change(tree->report, CHANGE_REMOVE, true, "", "");
  /* It lives on under another name, which is not what was asked for. */
  if (mask & IN_MOVE_SELF) tree->finished = true;
}

static void handle_hidden(struct watch_tree *tree, const struct inotify_event *event, const struct watched *parent) {
  struct move half;
  if (event->mask & IN_MOVED_FROM) moved_from(tree, event, parent);
  if ((event->mask & IN_MOVED_TO) && moves_take(&tree->moves, event->cookie, &half)) end_move(tree, &half);
}

static void changed_mode(struct watch_tree *tree, const struct inotify_event *event, struct watched *parent) {
  if (is_nameless(tree, parent, event->name)) return;
  bool directory = event->mask & IN_ISDIR;
  report(tree, CHANGE_CHMOD, directory, parent, event->name);
  /* It may have become readable. */
  if (directory && tree->recursive && !directories_child(&tree->directories, parent, event->name)) look_at(tree, parent, event->name);
}

/* Reports what left the tree before something else happens to the same names. */
static void end_outdated(struct watch_tree *tree, const struct inotify_event *event) {
  char path[PATH_LIMIT + 1];
  struct move half;
  const struct watched *parent;
  while (tree->moves.count > 0 && (parent = directories_find(&tree->directories, event->wd)) && directories_path(parent, event->name, path) &&
         moves_outdated(&tree->moves, event->cookie, event->wd, path, &half))
    end_move(tree, &half);
}

static void handle(struct watch_tree *tree, const struct inotify_event *event) {
  bool directory = event->mask & IN_ISDIR;
  if (event->mask & IN_Q_OVERFLOW) tree->rebuild = true;
  struct watched *parent = directories_find(&tree->directories, event->wd);
  if (!parent) return;
  if (event->mask & IN_IGNORED) {
    if (!parent->parent) tree->finished = true;
    directories_drop(&tree->directories, tree->inotify, parent);
    return;
  }
  if (event->len == 0) {
    if (!parent->parent) handle_root(tree, event->mask);
    return;
  }
  if (event->mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) end_outdated(tree, event);
  parent = directories_find(&tree->directories, event->wd);
  if (!parent) return;
  if (temporary_is(event->name)) {
    handle_hidden(tree, event, parent);
    return;
  }
  if (event->mask & IN_MOVED_TO) moved_to(tree, event, parent);
  if (event->mask & IN_MOVED_FROM) moved_from(tree, event, parent);
  if (event->mask & IN_MODIFY) report(tree, CHANGE_WRITE, directory, parent, event->name);
  if (event->mask & IN_ATTRIB) changed_mode(tree, event, parent);
  if (event->mask & IN_DELETE) {
    report(tree, CHANGE_REMOVE, directory, parent, event->name);
    if (directory) left(tree, parent, event->name);
  }
  if (event->mask & IN_CREATE) {
    report(tree, CHANGE_CREATE, directory, parent, event->name);
    if (directory && tree->recursive) look_at(tree, parent, event->name);
  }
}

int watch_tree_open(struct watch_tree *tree) {
  struct stat st;
  int fd = open(tree->root, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  bool same = fstat(fd, &st) == 0 && (tree->inode == 0 || (st.st_dev == tree->device && st.st_ino == tree->inode));
  int wd = same ? watch_descriptor(tree->inotify, fd, interest) : -1;
  int problem = same ? errno : ENOENT;
  struct watched *root = wd >= 0 ? directories_add(&tree->directories, wd, NULL, "") : NULL;
  if (!root) {
    close(fd);
    return wd < 0 ? problem : ENOMEM;
  }
  root->device = tree->device = st.st_dev;
  root->inode = tree->inode = st.st_ino;
  if (tree->recursive)
    scan(tree, root, fd, false);
  else
    close(fd);
  return 0;
}

/* Begins anew. What happened before is not known: the loss says so. */
static void rebuild(struct watch_tree *tree) {
  tree->rebuild = false;
  tree->report->lost = true;
  moves_free(&tree->moves);
  if (tree->directories.root) directories_drop(&tree->directories, tree->inotify, tree->directories.root);
  int problem = watch_tree_open(tree);
  if (problem == 0) return;
  report_change(tree->report, CHANGE_REMOVE, true, "", "");
  tree->finished = true;
}

/* Whether there is something to read, now or before the patience with the oldest half of a rename ends. */
static bool more_comes(struct watch_tree *tree) {
  struct pollfd readable = {.fd = tree->inotify, .events = POLLIN};
  struct move half;
  while (tree->moves.count > 0) {
    int wait = moves_wait_ms(&tree->moves);
    if (poll(&readable, 1, wait) > 0 && (readable.revents & POLLIN)) return true;
    if (moves_wait_ms(&tree->moves) == 0 && moves_oldest(&tree->moves, &half)) end_move(tree, &half);
  }
  return false;
}

/* After everything was read, a directory that is still not where it should be has gone unseen: as under a mount. */
static void find_missed(struct watch_tree *tree) {
  for (size_t i = 0; tree->missed && i < tree->directories.buckets; i++)
    for (const struct watched *w = tree->directories.by_wd[i]; w; w = w->next_by_wd) tree->rebuild |= w->missed;
  tree->missed = false;
  if (tree->rebuild && !tree->finished) rebuild(tree);
}

void watch_tree_read(struct watch_tree *tree, size_t enough) {
  _Alignas(struct inotify_event) uint8_t bytes[16384];
  struct move half;
  /* Halves of renames are waited for, unless there is more than enough to report anyway. */
  while (!tree->finished && buffer_length(&tree->report->records) < (tree->moves.count > 0 ? enough * MORE : enough)) {
    ssize_t n = read(tree->inotify, bytes, sizeof bytes);
    if (n <= 0 && !more_comes(tree)) {
      find_missed(tree);
      break;
    }
    for (ssize_t at = 0; at < n && !tree->finished;) {
      const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
      handle(tree, event);
      if (tree->rebuild) rebuild(tree);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
  while (moves_oldest(&tree->moves, &half)) end_move(tree, &half);
}

void watch_tree_free(struct watch_tree *tree) {
  moves_free(&tree->moves);
  directories_free(&tree->directories);
}
