#include "attribute-calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "paths.h"
#include "status.h"
#include "walk.h"

enum { NAME_LIMIT = 255, VALUE_LIMIT = 65536, NAMES_LIMIT = 65536, FILE_LIMIT = 256, BODY_LIMIT = 8 << 20 };

/* The name space of users; the others belong to the kernel. */
static const char USERS[] = "user.";

static bool begins_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

static bool is_prefix(const char *prefix) { return begins_with(prefix, USERS) && strlen(prefix) > strlen(USERS); }

/* A prefix of the request; NULL when there is none that may be used. */
static char *read_prefix(struct reader *r) {
  char *prefix = read_text(r, NAME_LIMIT);
  if (prefix && is_prefix(prefix)) return prefix;
  free(prefix);
  return NULL;
}

/* Of what changes meanwhile, what is still there is written. */
static int write_attributes(struct buffer *body, const char *path, const char *prefix, char *names, char *value) {
  size_t at = buffer_length(body);
  uint32_t count = 0;
  write_u32(body, 0);
  ssize_t length = listxattr(path, names, NAMES_LIMIT);
  for (const char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
    if (!begins_with(name, prefix)) continue;
    ssize_t size = getxattr(path, name, value, VALUE_LIMIT);
    if (size < 0) continue;
    write_text(body, name);
    write_bytes(body, value, (size_t)size);
    count++;
  }
  if (buffer_length(body) > BODY_LIMIT) return STATUS_TOO_LARGE;
  for (size_t i = 0; i < 4; i++) body->bytes[body->start + at + i] = (uint8_t)(count >> (8 * i));
  return STATUS_OK;
}

static int list_others(const struct user *user, uint32_t others, struct reader *r, const struct file_scope *scope, const char *prefix, struct buffer *body, char *names) {
  char resolved[PATH_LIMIT + 1];
  int status = STATUS_OK;
  for (uint32_t i = 0; status == STATUS_OK && i < others; i++) {
    char *text = read_text(r, PATH_LIMIT);
    if (is_cancelled(scope->cancelled))
      status = ECANCELED;
    else if (!text)
      status = fail_with(body, STATUS_BAD_REQUEST, "ATTRIBUTES does not parse");
    else if (!path_resolve(user, text, resolved))
      status = ENAMETOOLONG;
    else
      status = write_attributes(body, resolved, prefix, names, names + NAMES_LIMIT);
    free(text);
  }
  return status;
}

int attributes_list_call(const struct user *user, const char *path, struct reader *r, const struct file_scope *scope, struct buffer *body) {
  char *prefix = read_prefix(r);
  uint32_t others = read_u32(r);
  char *names = malloc(NAMES_LIMIT + VALUE_LIMIT);
  int status = STATUS_OK;
  if (!prefix || r->failed || others >= FILE_LIMIT)
    status = fail_with(body, STATUS_BAD_REQUEST, "ATTRIBUTES does not parse");
  else if (!names)
    status = ENOMEM;
  else {
    write_u32(body, others + 1);
    status = write_attributes(body, path, prefix, names, names + NAMES_LIMIT);
    if (status == STATUS_OK) status = list_others(user, others, r, scope, prefix, body, names);
    if (status == STATUS_OK && !read_finished(r)) status = fail_with(body, STATUS_BAD_REQUEST, "ATTRIBUTES does not parse");
    else if (status != STATUS_OK && status != STATUS_BAD_REQUEST) status = fail_with(body, status, "");
  }
  free(prefix);
  free(names);
  return status;
}

/* Takes away every attribute with the prefix. A file system without attributes has none. */
static int remove_attributes(const char *path, const char *prefix, char *names) {
  ssize_t length = listxattr(path, names, NAMES_LIMIT);
  if (length < 0) return errno == EOPNOTSUPP ? 0 : errno;
  for (const char *name = names; name < names + length; name += strlen(name) + 1)
    if (begins_with(name, prefix) && removexattr(path, name) && errno != ENODATA) return errno;
  return 0;
}

static int set_one(const char *path, const char *prefix, struct reader *r, struct buffer *body) {
  char *name = read_text(r, NAME_LIMIT);
  struct view value = read_bytes(r);
  int status = STATUS_OK;
  if (!name || r->failed || value.length > VALUE_LIMIT || !begins_with(name, prefix))
    status = fail_with(body, STATUS_BAD_REQUEST, "SET_ATTRIBUTES does not parse");
  else if (setxattr(path, name, value.bytes, value.length, 0))
    status = errno;
  free(name);
  return status;
}

int attributes_set_call(const char *path, struct reader *r, struct buffer *body) {
  char *prefix = read_prefix(r);
  uint32_t count = read_u32(r);
  char *names = malloc(NAMES_LIMIT);
  int status = STATUS_OK;
  if (!prefix || r->failed)
    status = fail_with(body, STATUS_BAD_REQUEST, "SET_ATTRIBUTES does not parse");
  else
    status = names ? remove_attributes(path, prefix, names) : ENOMEM;
  for (uint32_t i = 0; status == STATUS_OK && i < count; i++) status = set_one(path, prefix, r, body);
  if (status == STATUS_OK && !read_finished(r)) status = fail_with(body, STATUS_BAD_REQUEST, "SET_ATTRIBUTES does not parse");
  free(prefix);
  free(names);
  return status;
}
