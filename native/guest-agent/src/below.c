#define _GNU_SOURCE
#include "below.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int below_open(int root, const char *path, const char **last) {
  char name[NAME_MAX + 1];
  int directory = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const char *slash; directory >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
    size_t length = (size_t)(slash - path);
    int next = -1;
    errno = ENAMETOOLONG;
    if (length < sizeof name) {
      memcpy(name, path, length);
      name[length] = 0;
      next = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    int problem = errno;
    close(directory);
    directory = next;
    errno = problem;
  }
  *last = path;
  return directory;
}

struct linked {
  dev_t device;
  ino_t inode;
  char path[];
};

static int by_inode(const void *a, const void *b) {
  const struct linked *first = a;
  const struct linked *second = b;
  if (first->device != second->device) return first->device < second->device ? -1 : 1;
  return first->inode == second->inode ? 0 : first->inode < second->inode ? -1 : 1;
}

const char *link_map_find(const struct link_map *map, const struct stat *file) {
  struct linked key = {.device = file->st_dev, .inode = file->st_ino};
  struct linked *const *found = tfind(&key, &map->tree, by_inode);
  return found ? (*found)->path : NULL;
}

bool link_map_add(struct link_map *map, const struct stat *file, const char *path) {
  size_t size = strlen(path) + 1;
  struct linked *linked = malloc(sizeof *linked + size);
  if (!linked) return false;
  linked->device = file->st_dev;
  linked->inode = file->st_ino;
  memcpy(linked->path, path, size);
  if (tsearch(linked, &map->tree, by_inode)) return true;
  free(linked);
  return false;
}

void link_map_free(struct link_map *map) {
  tdestroy(map->tree, free);
  map->tree = NULL;
}

bool created_add(struct created **first, const struct stat *file, const char *path) {
  size_t size = strlen(path) + 1;
  struct created *created = malloc(sizeof *created + size);
  if (!created) return false;
  created->next = *first;
  created->device = file->st_dev;
  created->inode = file->st_ino;
  memcpy(created->path, path, size);
  *first = created;
  return true;
}

void created_free(struct created **first) {
  while (*first) {
    struct created *created = *first;
    *first = created->next;
    free(created);
  }
}
