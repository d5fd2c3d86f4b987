#define _GNU_SOURCE
#include "watch-moves.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 20 };

static uint64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void move_free(struct move *half) {
  free(half->name);
  free(half->path);
}

bool moves_hold(struct moves *moves, struct move half, const char *name, const char *path) {
  half.name = strdup(name);
  half.path = strdup(path);
  if (!half.name || !half.path) {
    move_free(&half);
    return false;
  }
  half.until_ms = now_ms() + PATIENCE_MS;
  moves->items[moves->count++] = half;
  return true;
}

static void take_at(struct moves *moves, size_t at, struct move *half) {
  *half = moves->items[at];
  moves->count--;
  memmove(moves->items + at, moves->items + at + 1, (moves->count - at) * sizeof *moves->items);
}

bool moves_take(struct moves *moves, uint32_t cookie, struct move *half) {
  for (size_t i = 0; i < moves->count; i++)
    if (moves->items[i].cookie == cookie) {
      take_at(moves, i, half);
      return true;
    }
  return false;
}

bool moves_oldest(struct moves *moves, struct move *half) {
  if (moves->count == 0) return false;
  take_at(moves, 0, half);
  return true;
}

static bool is_above(const char *path, const char *other) {
  size_t length = strlen(path);
  return strncmp(path, other, length) == 0 && (other[length] == 0 || other[length] == '/');
}

bool moves_outdated(struct moves *moves, uint32_t cookie, int parent, const char *path, struct move *half) {
  for (size_t i = 0; i < moves->count; i++) {
    const struct move *held = &moves->items[i];
    if (held->cookie == cookie || (held->parent != parent && !is_above(path, held->path))) continue;
    take_at(moves, i, half);
    return true;
  }
  return false;
}

int moves_wait_ms(const struct moves *moves) {
  if (moves->count == 0) return -1;
  uint64_t now = now_ms();
  return moves->items[0].until_ms <= now ? 0 : (int)(moves->items[0].until_ms - now);
}

void moves_free(struct moves *moves) {
  for (size_t i = 0; i < moves->count; i++) move_free(&moves->items[i]);
  moves->count = 0;
}
