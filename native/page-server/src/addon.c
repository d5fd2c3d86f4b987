/* The Node-API face of the page server. Its only caller is the TypeScript wrapper, which checks the arguments' types. */
#define _GNU_SOURCE
#include "server.h"
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096 };

struct handle {
  struct server *server; /* NULL once stopped */
  napi_threadsafe_function notify;
};

/* A message from the server's thread; length 0 says that the thread ends. */
struct notice {
  uint64_t offset;
  size_t length;
};

static void fail(napi_env env, const char *problem) { napi_throw_error(env, NULL, problem); }

static void send(struct handle *handle, uint64_t offset, size_t length) {
  struct notice *notice = malloc(sizeof *notice);
  if (!notice) abort();
  *notice = (struct notice){offset, length};
  if (napi_call_threadsafe_function(handle->notify, notice, napi_tsfn_nonblocking) != napi_ok) free(notice);
}

static void on_request(void *context, uint64_t offset, size_t length) { send(context, offset, length); }
static void on_ended(void *context) { send(context, 0, 0); }

static void deliver(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  struct notice notice = *(struct notice *)data;
  free(data);
  if (!env || !callback) return;
  napi_value arguments[2];
  napi_value receiver;
  napi_get_undefined(env, &receiver);
  napi_create_double(env, (double)notice.offset, &arguments[0]);
  napi_create_double(env, (double)notice.length, &arguments[1]);
  napi_call_function(env, receiver, callback, 2, arguments, NULL);
}

static void finish(struct handle *handle) {
  if (!handle->server) return;
  server_stop(handle->server);
  server_free(handle->server);
  handle->server = NULL;
  napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  finish(data);
  free(data);
}

static bool read_paths(napi_env env, napi_value list, char **paths, size_t *count) {
  uint32_t length;
  if (napi_get_array_length(env, list, &length) != napi_ok || length > MAX_FILES) return false;
  for (*count = 0; *count < length; ++*count) {
    napi_value item;
    size_t size;
    char *path = malloc(MAX_PATH);
    paths[*count] = path;
    if (!path) return false;
    if (napi_get_element(env, list, (uint32_t)*count, &item) != napi_ok || napi_get_value_string_utf8(env, item, path, MAX_PATH, &size) != napi_ok) {
      free(path);
      return false;
    }
  }
  return true;
}

/* start(socket, table, paths, around, handshakeMs, prefetch, notify) */
static napi_value start(napi_env env, napi_callback_info info) {
  napi_value v[7];
  size_t count = 7;
  char socket_path[128];
  size_t length = 0;
  size_t table_length = 0;
  size_t prefetch_length = 0;
  void *table = NULL;
  void *prefetch = NULL;
  uint32_t around = 1;
  int32_t handshake_ms = 0;
  char *paths[MAX_FILES];
  size_t path_count = 0;
  napi_typedarray_type table_type;
  napi_typedarray_type prefetch_type;
  bool good = napi_get_cb_info(env, info, &count, v, NULL, NULL) == napi_ok && count == 7 && napi_get_value_string_utf8(env, v[0], socket_path, sizeof socket_path, &length) == napi_ok &&
              napi_get_typedarray_info(env, v[1], &table_type, &table_length, &table, NULL, NULL) == napi_ok && table_type == napi_biguint64_array && table_length % 5 == 0 &&
              napi_get_value_uint32(env, v[3], &around) == napi_ok && around >= 1 && around <= BLOCK_PAGES && napi_get_value_int32(env, v[4], &handshake_ms) == napi_ok &&
              napi_get_typedarray_info(env, v[5], &prefetch_type, &prefetch_length, &prefetch, NULL, NULL) == napi_ok && prefetch_type == napi_uint32_array;
  if (!good) return fail(env, "wrong arguments"), NULL;
  struct handle *handle = calloc(1, sizeof *handle);
  struct server *server = calloc(1, sizeof *server);
  if (!handle || !server) abort();
  server->listener = server->peer = server->uffd = server->wake = -1;
  server->around = around;
  server->handshake_ms = handshake_ms;
  server->request = on_request;
  server->ended = on_ended;
  server->context = handle;
  pthread_mutex_init(&server->lock, NULL);
  const char *problem = read_paths(env, v[2], paths, &path_count) ? NULL : "wrong paths";
  if (!problem) problem = image_open(&server->image, table, table_length / 5, (const char *const *)paths, path_count);
  for (size_t i = 0; i < path_count; i++) free(paths[i]);
  if (!problem && prefetch_length) {
    server->prefetch = malloc(prefetch_length * sizeof *server->prefetch);
    if (!server->prefetch) abort();
    memcpy(server->prefetch, prefetch, prefetch_length * sizeof *server->prefetch);
    server->prefetch_count = prefetch_length;
  }
  if (!problem && !server_listen(server, socket_path)) problem = strerror(errno);
  napi_value name;
  napi_create_string_utf8(env, "wrenn-page-server", NAPI_AUTO_LENGTH, &name);
  if (!problem && napi_create_threadsafe_function(env, v[6], NULL, name, 0, 1, NULL, NULL, NULL, deliver, &handle->notify) != napi_ok) problem = "no thread-safe function";
  if (!problem && !server_start(server)) {
    problem = "the thread cannot start";
    napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
  }
  if (problem) {
    server_free(server);
    free(handle);
    return fail(env, problem), NULL;
  }
  handle->server = server;
  napi_value result;
  if (napi_create_external(env, handle, finalize, NULL, &result) != napi_ok) abort();
  return result;
}

static struct handle *unwrap(napi_env env, napi_value value) {
  struct handle *handle = NULL;
  if (napi_get_value_external(env, value, (void **)&handle) != napi_ok || !handle->server) {
    fail(env, "the page server is stopped");
    return NULL;
  }
  return handle;
}

/* provide(handle, offset, bytes) */
static napi_value provide(napi_env env, napi_callback_info info) {
  napi_value v[3];
  size_t count = 3;
  napi_get_cb_info(env, info, &count, v, NULL, NULL);
  struct handle *handle = unwrap(env, v[0]);
  if (!handle) return NULL;
  double offset = 0;
  void *bytes = NULL;
  size_t length = 0;
  napi_typedarray_type type;
  const uint64_t size = handle->server->image.size;
  bool good = napi_get_value_double(env, v[1], &offset) == napi_ok && napi_get_typedarray_info(env, v[2], &type, &length, &bytes, NULL, NULL) == napi_ok && type == napi_uint8_array &&
              offset >= 0 && offset < (double)size && (uint64_t)offset % PAGE == 0 && length % PAGE == 0 && length <= (size_t)BLOCK_PAGES * PAGE && length <= size - (uint64_t)offset;
  if (!good || !server_provide(handle->server, (uint64_t)offset, bytes, length)) fail(env, "wrong block");
  return NULL;
}

static void set_number(napi_env env, napi_value object, const char *name, unsigned long long value) {
  napi_value number;
  napi_create_double(env, (double)value, &number);
  napi_set_named_property(env, object, name, number);
}

/* report(handle): counters and working set */
static napi_value report(napi_env env, napi_callback_info info) {
  napi_value v[1];
  size_t count = 1;
  napi_get_cb_info(env, info, &count, v, NULL, NULL);
  struct handle *handle = unwrap(env, v[0]);
  if (!handle) return NULL;
  struct server *server = handle->server;
  napi_value result;
  napi_create_object(env, &result);
  set_number(env, result, "faults", atomic_load(&server->counters.faults));
  set_number(env, result, "pages", atomic_load(&server->counters.pages));
  set_number(env, result, "zeroPages", atomic_load(&server->counters.zero_pages));
  set_number(env, result, "removes", atomic_load(&server->counters.removes));
  set_number(env, result, "otherEvents", atomic_load(&server->counters.other_events));
  set_number(env, result, "requests", atomic_load(&server->counters.requests));
  napi_value complete;
  napi_get_boolean(env, atomic_load(&server->complete), &complete);
  napi_set_named_property(env, result, "complete", complete);
  size_t recorded = atomic_load(&server->recorded);
  void *data;
  napi_value buffer;
  napi_value set;
  napi_create_arraybuffer(env, recorded * sizeof(uint32_t), &data, &buffer);
  if (recorded) memcpy(data, server->record, recorded * sizeof(uint32_t));
  napi_create_typedarray(env, napi_uint32_array, recorded, buffer, 0, &set);
  napi_set_named_property(env, result, "workingSet", set);
  return result;
}

/* fill(handle, pages) */
static napi_value fill(napi_env env, napi_callback_info info) {
  napi_value v[2];
  size_t count = 2;
  size_t length = 0;
  void *pages = NULL;
  napi_typedarray_type type;
  napi_get_cb_info(env, info, &count, v, NULL, NULL);
  if (count != 2 || napi_get_typedarray_info(env, v[1], &type, &length, &pages, NULL, NULL) != napi_ok || type != napi_uint32_array) return fail(env, "wrong arguments"), NULL;
  struct handle *handle = unwrap(env, v[0]);
  if (!handle) return NULL;
  if (!server_fill(handle->server, pages, length)) return fail(env, "out of memory"), NULL;
  return NULL;
}

/* failure(handle): why the thread ended, or undefined; only after it said that it ends */
static napi_value failure(napi_env env, napi_callback_info info) {
  napi_value v[1];
  size_t count = 1;
  napi_get_cb_info(env, info, &count, v, NULL, NULL);
  struct handle *handle = unwrap(env, v[0]);
  if (!handle) return NULL;
  napi_value result;
  if (handle->server->failure) napi_create_string_utf8(env, handle->server->failure, NAPI_AUTO_LENGTH, &result);
  else napi_get_undefined(env, &result);
  return result;
}

/* stop(handle): joins the thread and closes everything */
static napi_value stop(napi_env env, napi_callback_info info) {
  napi_value v[1];
  size_t count = 1;
  napi_get_cb_info(env, info, &count, v, NULL, NULL);
  struct handle *handle = unwrap(env, v[0]);
  if (!handle) return NULL;
  finish(handle);
  return NULL;
}

NAPI_MODULE_INIT() {
  const struct {
    const char *name;
    napi_callback call;
  } functions[] = {{"start", start}, {"provide", provide}, {"fill", fill}, {"report", report}, {"failure", failure}, {"stop", stop}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
