/* Starting a process as a user, with pipes or a terminal. */
#ifndef WRENN_SPAWN_H
#define WRENN_SPAWN_H

#include "cgroup.h"
#include "child.h"
#include "environment.h"
#include "users.h"
#include "wire.h"

/* A START request, decoded. */
struct spawn {
  uint32_t handle;
  bool terminal;
  bool input;
  bool on_interactive;
  bool clean_environment;
  bool drop_oldest;
  uint32_t ring_bytes;
  uint16_t columns;
  uint16_t rows;
  struct user user;
  char *cwd;
  char **arguments; /* NULL-terminated */
  struct environment environment;
  struct limit limits[16];
  uint32_t limit_count;
  struct buffer label;
};

/* The agent's ends of a started process's descriptors; -1 for each that it does not have. */
struct spawned {
  pid_t pid;
  uint64_t start_time;
  uint64_t cgroup;
  int master; /* of a terminal, instead of the others */
  int input;
  int output[2];
};

int spawn_decode(struct spawn *spawn, struct reader *r, struct buffer *detail);
void spawn_free(struct spawn *spawn);
int spawn_run(struct cgroups *cgroups, const struct environment *defaults, const struct spawn *spawn, struct spawned *spawned, struct buffer *detail);

#endif
