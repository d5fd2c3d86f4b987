/* What the target of a write has to be: the versions that If-Match and If-None-Match of a client name, and a time (RFC 9110 §13). */
#ifndef WRENN_CONDITION_H
#define WRENN_CONDITION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "wire.h"

enum { CONDITION_VERSIONS = 32 };

struct file_version {
  uint64_t inode;
  uint64_t size;
  int64_t modified; /* ns */
};

struct file_versions {
  uint32_t count;
  struct file_version list[CONDITION_VERSIONS];
};

/* All zero, every target meets it. */
struct condition {
  bool exists; /* there must be a target */
  bool listed; /* and it must be one of `any` */
  struct file_versions any;
  struct file_versions none; /* the target must be none of these */
  bool timed;
  int64_t unmodified_since; /* s */
};

/* False when it does not parse. */
bool condition_read(struct condition *condition, struct reader *r);
/* `st`: the target; NULL when there is none. */
bool condition_holds(const struct condition *condition, const struct stat *st);

#endif
