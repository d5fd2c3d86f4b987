#define _GNU_SOURCE
#include "server.h"
#include "accept.h"
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool server_listen(struct server *server, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  strcpy(address.sun_path, path);
  server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return server->listener >= 0 && bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(server->listener, 1) == 0;
}

static void take_provided(struct server *server) {
  pthread_mutex_lock(&server->lock);
  struct provided *list = server->provided;
  server->provided = NULL;
  pthread_mutex_unlock(&server->lock);
  while (list) {
    struct provided *next = list->next;
    serve_provided(server, list->offset, list->bytes, list->length);
    free(list);
    list = next;
  }
}

static void take_rest(struct server *server) {
  pthread_mutex_lock(&server->lock);
  if (server->rest) {
    free(server->prefetch);
    server->prefetch = server->rest;
    server->prefetch_count = server->rest_count;
    server->prefetch_done = 0;
    server->rest = NULL;
    server->filling = true;
  }
  pthread_mutex_unlock(&server->lock);
}

/* True when nothing can be missing any more and the machine knows it. A page that was refused for a moment is tried again. */
static bool finished(struct server *server) {
  if (!server->filling || server->prefetch_done < server->prefetch_count || server->wanted || server->in_flight) return false;
  if (serve_is_missing(server)) {
    server->prefetch_done = 0;
    return false;
  }
  const char done = 'D';
  if (send(server->peer, &done, 1, MSG_NOSIGNAL) == 1) atomic_store(&server->complete, true);
  return true;
}

static void loop(struct server *server) {
  while (!server->failure && !atomic_load(&server->stopping)) {
    struct pollfd fds[3] = {{server->uffd, POLLIN, 0}, {server->peer, POLLIN, 0}, {server->wake, POLLIN, 0}};
    bool idle_work = server->prefetch_done < server->prefetch_count && !server->wanted && server->in_flight < MAX_PREFETCH_IN_FLIGHT;
    int ready = poll(fds, 3, idle_work ? 0 : -1);
    if (ready < 0 && errno != EINTR) server->failure = "poll failed";
    if (ready <= 0) {
      if (ready == 0) serve_prefetch(server);
      if (finished(server)) break;
      continue;
    }
    if (fds[2].revents) {
      uint64_t ignored;
      if (read(server->wake, &ignored, sizeof ignored) < 0 && errno != EAGAIN) server->failure = "eventfd failed";
      take_provided(server);
      take_rest(server);
    }
    if (fds[0].revents & POLLIN) serve_events(server);
    else if (fds[0].revents) break; /* the machine's memory is gone */
    if (fds[1].revents) {
      char ignored[64];
      ssize_t n = read(server->peer, ignored, sizeof ignored);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break; /* the machine ended */
    }
    if (!server->failure && finished(server)) break;
  }
}

static void *run(void *argument) {
  struct server *server = argument;
  server->failure = accept_machine(server);
  if (!server->failure && !atomic_load(&server->stopping)) loop(server);
  server->ended(server->context);
  return NULL;
}

bool server_start(struct server *server) {
  server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  size_t pages = server->image.size / PAGE;
  server->buffer = malloc((size_t)BLOCK_PAGES * PAGE);
  server->blocks = calloc(pages / BLOCK_PAGES + 1, 1);
  server->record = malloc(pages * sizeof *server->record);
  if (server->wake < 0 || !server->buffer || !server->blocks || !server->record) return false;
  return pthread_create(&server->thread, NULL, run, server) == 0;
}

static void wake(struct server *server) {
  uint64_t one = 1;
  /* A full counter wakes the thread just as well. */
  if (write(server->wake, &one, sizeof one) < 0) return;
}

bool server_provide(struct server *server, uint64_t offset, const void *bytes, size_t length) {
  struct provided *item = malloc(sizeof *item + length);
  if (!item) return false;
  item->offset = offset;
  item->length = length;
  memcpy(item->bytes, bytes, length);
  pthread_mutex_lock(&server->lock);
  item->next = server->provided;
  server->provided = item;
  pthread_mutex_unlock(&server->lock);
  wake(server);
  return true;
}

bool server_fill(struct server *server, const uint32_t *pages, size_t count) {
  uint32_t *rest = malloc(count * sizeof *rest + 1);
  if (!rest) return false;
  memcpy(rest, pages, count * sizeof *rest);
  pthread_mutex_lock(&server->lock);
  free(server->rest);
  server->rest = rest;
  server->rest_count = count;
  pthread_mutex_unlock(&server->lock);
  wake(server);
  return true;
}

void server_stop(struct server *server) {
  atomic_store(&server->stopping, true);
  wake(server);
  pthread_join(server->thread, NULL);
}

void server_free(struct server *server) {
  int fds[] = {server->listener, server->peer, server->uffd, server->wake};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0) close(fds[i]);
  for (size_t i = 0; i < server->child_count; i++) close(server->children[i]);
  while (server->provided) {
    struct provided *next = server->provided->next;
    free(server->provided);
    server->provided = next;
  }
  image_close(&server->image);
  free(server->prefetch);
  free(server->rest);
  free(server->record);
  free(server->blocks);
  free(server->buffer);
  pthread_mutex_destroy(&server->lock);
  free(server);
}
