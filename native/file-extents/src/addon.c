/* The Node-API face of find_extents. Its only caller is the TypeScript wrapper, which checks the arguments' types. */
#define _GNU_SOURCE
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>

#include "extents.h"

enum { MOST_EXTENTS = 4096 };

static napi_value fail(napi_env env, const char *problem) {
  napi_throw_error(env, NULL, problem);
  return NULL;
}

/* find(fd, from, limit): a Float64Array with the start and length of each extent */
static napi_value find(napi_env env, napi_callback_info info) {
  napi_value v[3];
  size_t count = 3;
  int32_t fd = -1;
  int64_t from = -1;
  uint32_t limit = 0;
  bool good = napi_get_cb_info(env, info, &count, v, NULL, NULL) == napi_ok && count == 3 && napi_get_value_int32(env, v[0], &fd) == napi_ok &&
              napi_get_value_int64(env, v[1], &from) == napi_ok && napi_get_value_uint32(env, v[2], &limit) == napi_ok && fd >= 0 && from >= 0 && limit > 0 && limit <= MOST_EXTENTS;
  if (!good) return fail(env, "wrong arguments");
  struct extent *extents = calloc(limit, sizeof *extents);
  if (!extents) return fail(env, "out of memory");
  ssize_t found = find_extents(fd, from, extents, limit);
  int problem = errno;
  void *data = NULL;
  napi_value buffer;
  napi_value result = NULL;
  if (found < 0) fail(env, strerror(problem));
  else if (napi_create_arraybuffer(env, (size_t)found * 2 * sizeof(double), &data, &buffer) != napi_ok || napi_create_typedarray(env, napi_float64_array, (size_t)found * 2, buffer, 0, &result) != napi_ok)
    result = fail(env, "out of memory");
  double *numbers = data;
  for (ssize_t i = 0; result && i < found; i++) {
    numbers[i * 2] = (double)extents[i].start;
    numbers[i * 2 + 1] = (double)extents[i].length;
  }
  free(extents);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "find", NAPI_AUTO_LENGTH, find, NULL, &function);
  napi_set_named_property(env, exports, "find", function);
  return exports;
}
