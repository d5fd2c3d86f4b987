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

static void loop(struct server *server) {
  while (!server->failure && !atomic_load(&server->stopping)) {
    struct pollfd fds[3] = {{server->uffd, POLLIN, 0}, {server->peer, POLLIN, 0}, {server->wake, POLLIN, 0}};
    bool idle_work = server->prefetch_done < server->prefetch_count;
    int ready = poll(fds, 3, idle_work ? 0 : -1);
    if (ready < 0 && errno != EINTR) server->failure = "poll failed";
    if (ready <= 0) {
      if (ready == 0) serve_prefetch(server);
      continue;
    }
    if (fds[2].revents) {
      uint64_t ignored;
      if (read(server->wake, &ignored, sizeof ignored) < 0 && errno != EAGAIN) server->failure = "eventfd failed";
      take_provided(server);
    }
    if (fds[0].revents & POLLIN) serve_events(server);
    else if (fds[0].revents) break; /* the machine's memory is gone */
    if (fds[1].revents) {
      char ignored[64];
      ssize_t n = read(server->peer, ignored, sizeof ignored);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break; /* the machine ended */
    }
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
  free(server->record);
  free(server->blocks);
  free(server->buffer);
  pthread_mutex_destroy(&server->lock);
  free(server);
}
