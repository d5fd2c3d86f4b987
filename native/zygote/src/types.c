#define _GNU_SOURCE
#include "types.h"

#include <dlfcn.h>
#include <stddef.h>

/* Of the enumeration in QEMU's include/qemu/module.h: the same number since QEMU 5.0. */
enum { MODULE_INIT_QOM = 3 };

/* Is registered with all other types. */
static const char known_type[] = "microvm-machine";

bool types_prepare(void) {
  void (*call_init)(int);
  void *(*list)(const char *, bool);
  void *(*by_name)(const char *);
  *(void **)&call_init = dlsym(RTLD_DEFAULT, "module_call_init");
  *(void **)&list = dlsym(RTLD_DEFAULT, "object_class_get_list");
  *(void **)&by_name = dlsym(RTLD_DEFAULT, "object_class_by_name");
  if (!call_init && !list && !by_name) return true;
  if (!call_init || !list || !by_name) return false;
  call_init(MODULE_INIT_QOM);
  /* A list of classes fills in each of them. */
  return by_name(known_type) && list("object", true);
}
