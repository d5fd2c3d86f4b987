#define _GNU_SOURCE
#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime-directory.h"
#include "system-environment.h"

enum { ENTRY_LIMIT = 16384 };

static char **find(const struct environment *environment, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < environment->count; i++)
    if (strncmp(environment->entries[i], name, length) == 0 && environment->entries[i][length] == '=') return &environment->entries[i];
  return NULL;
}

bool environment_set(struct environment *environment, const char *name, const char *value) {
  char *entry;
  if (asprintf(&entry, "%s=%s", name, value) < 0) return false;
  char **known = find(environment, name);
  if (known) {
    free(*known);
    *known = entry;
    return true;
  }
  char **entries = environment->count < ENTRY_LIMIT ? realloc(environment->entries, (environment->count + 1) * sizeof *entries) : NULL;
  if (!entries) {
    free(entry);
    return false;
  }
  entries[environment->count++] = entry;
  environment->entries = entries;
  return true;
}

static bool set_variable(const char *name, const char *value, void *context) { return environment_set(context, name, value); }

bool environment_of_user(struct environment *environment, const struct user *user) {
  static const char path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char directory[64];
  /* Who the user is goes last, as with a login: files for every user cannot change it. */
  bool ok = environment_set(environment, "PATH", path) && environment_set(environment, "LANG", "C.UTF-8") && system_environment_visit(set_variable, environment) &&
            environment_set(environment, "HOME", user->home) && environment_set(environment, "USER", user->name) && environment_set(environment, "LOGNAME", user->name) &&
            environment_set(environment, "SHELL", user->shell);
  if (runtime_directory(user, directory, sizeof directory)) ok = ok && environment_set(environment, "XDG_RUNTIME_DIR", directory);
  return ok;
}

bool environment_read(struct environment *environment, struct reader *r) {
  uint32_t count = read_u32(r);
  if (count > ENTRY_LIMIT) return false;
  for (uint32_t i = 0; i < count; i++) {
    char *name = read_text(r, 4096);
    char *value = read_text(r, 4u << 20);
    bool ok = name && value && *name && !strchr(name, '=') && environment_set(environment, name, value);
    free(name);
    free(value);
    if (!ok) return false;
  }
  return true;
}

bool environment_merge(struct environment *environment, const struct environment *over) {
  for (size_t i = 0; i < over->count; i++) {
    char *entry = strdup(over->entries[i]);
    if (!entry) return false;
    char *equals = strchr(entry, '=');
    *equals = 0;
    bool ok = environment_set(environment, entry, equals + 1);
    free(entry);
    if (!ok) return false;
  }
  return true;
}

const char *environment_get(const struct environment *environment, const char *name) {
  char **entry = find(environment, name);
  return entry ? strchr(*entry, '=') + 1 : NULL;
}

char **environment_array(const struct environment *environment) {
  char **array = calloc(environment->count + 1, sizeof *array);
  if (array && environment->count > 0) memcpy(array, environment->entries, environment->count * sizeof *array);
  return array;
}

void environment_free(struct environment *environment) {
  for (size_t i = 0; i < environment->count; i++) free(environment->entries[i]);
  free(environment->entries);
  memset(environment, 0, sizeof *environment);
}
