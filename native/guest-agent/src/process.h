/* A process that the host started, with its descriptors and its streams. */
#ifndef WRENN_PROCESS_H
#define WRENN_PROCESS_H

#include <sys/types.h>

#include "cgroup.h"
#include "environment.h"
#include "input-stream.h"
#include "output-stream.h"
#include "pace.h"
#include "request-table.h"
#include "rest.h"
#include "stream-table.h"

enum { OUTPUTS = 2 };

struct processes {
  struct loop *loop;
  struct stream_table *streams;
  struct cgroups *cgroups;
  const struct environment *defaults;
  struct process *first;
  size_t count;
  size_t ring_bytes;     /* of all of them */
  struct watch patience; /* the timer after which processes in drop mode no longer wait for the host */
  bool patience_runs;
  struct rests rests;
  size_t wide_pipes; /* pipes that were given more room */
  bool tidy_due; /* one of them has it */
};

/* One output of a process. */
struct output {
  struct process *process;
  struct output_stream stream;
  struct watch pipe; /* without a descriptor where a terminal's master is read instead */
  struct ring ring;
  size_t most;           /* what the ring may grow to */
  uint64_t acknowledged; /* the host has what is below; it stays in the ring while there is room, for a host that forgot it */
  uint64_t drain_to;     /* after exit: what the process had written reaches up to here */
  struct pace pace;      /* of the pipe */
  bool impatient;        /* drop mode: the host has not taken anything for too long, so bytes are dropped until it does */
  bool ended;            /* end of file was read */
};

/* Standard input. */
struct input {
  struct input_stream stream;
  struct watch pipe;     /* without a descriptor where a terminal's master is written instead */
  struct buffer pending; /* received, and not yet written */
  struct pace pace;      /* of the pipe */
  size_t capacity;       /* what `pending` may hold */
  uint64_t announced;    /* the host may send up to here */
  uint64_t end;          /* UINT64_MAX until the host closes it */
  bool closed;
};

struct process {
  struct processes *processes;
  struct process *next;
  struct stream stream;
  pid_t pid;
  uint64_t start_time;
  uint64_t cgroup; /* 0: it has none, or no process is left in it */
  bool terminal;
  bool drop_oldest;
  bool exited;
  bool tidy_due; /* its cgroup may be removed, once the answers are out */
  bool drained;
  bool forgotten;
  uint32_t exit_code;
  uint32_t exit_signal;
  uint64_t user_us;
  uint64_t system_us;
  uint64_t peak_kib;
  struct watch master;            /* of the terminal: input is written to it, output read from it */
  struct output outputs[OUTPUTS]; /* standard output or the terminal's, standard error */
  struct input input;
  struct rest rest;     /* of its pipes */
  struct ticket waiter; /* of WAIT */
  struct buffer label;
};

#endif
