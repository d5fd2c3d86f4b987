#define _GNU_SOURCE
#include "watch-directories.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "paths.h"
#include "temporary.h"

/* Index of the first item whose descriptor is not smaller. */
static size_t position(const struct directories *d, int wd) {
  size_t low = 0;
  size_t high = d->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (d->items[middle].wd < wd)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool directories_add(struct directories *d, int wd, const char *path) {
  size_t at = position(d, wd);
  char *copy = strdup(path);
  if (!copy) return false;
  if (at < d->count && d->items[at].wd == wd) {
    free(d->items[at].path);
    d->items[at].path = copy;
    return true;
  }
  struct directory *items = d->count < DIRECTORY_LIMIT ? realloc(d->items, (d->count + 1) * sizeof *items) : NULL;
  if (!items) {
    free(copy);
    return false;
  }
  d->items = items;
  memmove(items + at + 1, items + at, (d->count - at) * sizeof *items);
  items[at] = (struct directory){wd, copy};
  d->count++;
  return true;
}

const char *directories_find(const struct directories *d, int wd) {
  size_t at = position(d, wd);
  return at < d->count && d->items[at].wd == wd ? d->items[at].path : NULL;
}

static void remove_at(struct directories *d, size_t at) {
  free(d->items[at].path);
  d->count--;
  memmove(d->items + at, d->items + at + 1, (d->count - at) * sizeof *d->items);
}

void directories_remove(struct directories *d, int wd) {
  size_t at = position(d, wd);
  if (at < d->count && d->items[at].wd == wd) remove_at(d, at);
}

/* What follows `top` in a path at or below it, else NULL. */
static const char *below(const char *path, const char *top) {
  size_t length = strlen(top);
  if (strncmp(path, top, length) != 0 || (path[length] != 0 && path[length] != '/')) return NULL;
  return path + length;
}

void directories_remove_below(struct directories *d, int inotify, const char *path) {
  for (size_t i = d->count; i > 0; i--) {
    if (!below(d->items[i - 1].path, path)) continue;
    (void)inotify_rm_watch(inotify, d->items[i - 1].wd);
    remove_at(d, i - 1);
  }
}

bool directories_rename(struct directories *d, const char *from, const char *to) {
  for (size_t i = 0; i < d->count; i++) {
    const char *rest = below(d->items[i].path, from);
    char *path;
    if (!rest) continue;
    if (asprintf(&path, "%s%s", to, rest) < 0) return false;
    free(d->items[i].path);
    d->items[i].path = path;
  }
  return true;
}

void directories_free(struct directories *d) {
  for (size_t i = 0; i < d->count; i++) free(d->items[i].path);
  free(d->items);
  *d = (struct directories){0};
}

bool directories_path(const char *root, const char *relative, char path[PATH_LIMIT + 1]) {
  int n = snprintf(path, PATH_LIMIT + 1, "%s%s%s", root, *relative ? "/" : "", relative);
  return n > 0 && n <= PATH_LIMIT;
}

void directories_scan(const char *path, const char *relative, bool announce, void (*each)(void *context, const char *relative, bool directory, bool announce), void *context) {
  DIR *directory = opendir(path);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    struct stat st;
    char *child;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || temporary_is(entry->d_name)) continue;
    if (fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
    if (!S_ISDIR(st.st_mode) && !announce) continue;
    if (asprintf(&child, "%s%s%s", relative, *relative ? "/" : "", entry->d_name) < 0) break;
    each(context, child, S_ISDIR(st.st_mode), announce);
    free(child);
  }
  closedir(directory);
}
