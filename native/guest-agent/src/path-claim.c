#include "path-claim.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct path_claim *claims;

static bool is_claimed(const char *path) {
  for (const struct path_claim *one = claims; one; one = one->next)
    if (strcmp(one->path, path) == 0) return true;
  return false;
}

void path_claim(struct path_claim *claim, const char *path) {
  (void)pthread_mutex_lock(&lock);
  while (is_claimed(path)) (void)pthread_cond_wait(&changed, &lock);
  claim->path = path;
  claim->next = claims;
  claims = claim;
  (void)pthread_mutex_unlock(&lock);
}

void path_unclaim(struct path_claim *claim) {
  (void)pthread_mutex_lock(&lock);
  struct path_claim **at = &claims;
  while (*at != claim) at = &(*at)->next;
  *at = claim->next;
  (void)pthread_cond_broadcast(&changed);
  (void)pthread_mutex_unlock(&lock);
}
