/* Processes that the host started: their life, output rings, standard input. */
#ifndef WRENN_PROCESS_H
#define WRENN_PROCESS_H

#include "agent.h"
#include "ring.h"
#include "wire.h"

/* One output stream of a process. */
struct output {
  struct process *process;
  uint32_t stream;
  struct watch watch;
  struct ring ring;
  size_t most; /* what the ring may grow to */
  uint64_t acknowledged; /* the host has what is below; it stays in the ring while there is room, for a host that forgot it */
  uint64_t sent;
  uint64_t limit;
  uint64_t drain_to; /* after exit: what the process had written reaches up to here */
  bool attached;
  bool impatient; /* drop mode: the host has not taken anything for too long, so bytes are dropped until it does */
  bool end_due;
  bool ended; /* end of file was read */
};

struct process {
  struct process *next;
  uint32_t handle;
  pid_t pid;
  uint64_t start_time;
  uint64_t cgroup; /* 0: none, or nobody is in it any more */
  int lane; /* lane of its streams */
  bool terminal;
  bool drop_oldest;
  bool exited;
  bool drained;
  bool forgotten;
  uint32_t exit_code;
  uint32_t exit_signal;
  uint64_t user_us;
  uint64_t system_us;
  uint64_t peak_kib;
  struct output outputs[2]; /* stdout or terminal, stderr */
  struct watch input_watch; /* standard input pipe; a terminal writes to its master instead */
  struct buffer input;
  uint64_t input_received;
  uint64_t input_end; /* UINT64_MAX until the host closes it */
  bool input_closed;
  bool input_window_due;
  struct ticket waiter; /* of WAIT */
  struct buffer label;
};

int request_start(struct agent *agent, struct reader *r, struct buffer *body);
int request_wait(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body);
int request_signal(struct agent *agent, struct reader *r, struct buffer *body);
int request_resize(struct agent *agent, struct reader *r, struct buffer *body);
int request_list(struct agent *agent, struct reader *r, struct buffer *body);
int request_forget(struct agent *agent, struct reader *r, struct buffer *body);
int request_overflow(struct agent *agent, struct reader *r, struct buffer *body);

/* A new connection on a lane: nothing is sent until the host attaches each stream again. */
void processes_detach(struct agent *agent, int lane);
/* A new host link: nobody waits any more for what the old one asked. */
void processes_forget_waiters(struct agent *agent);
/* Bytes, windows and ends for streams; false when the stream is not a process's. */
bool process_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length);
bool process_input_end(struct agent *agent, uint32_t stream, uint64_t offset);
bool process_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit);
/* Collects exited children. */
void processes_reap(struct agent *agent);
/* Sends what a lane has room for; true when anything was queued. */
bool processes_pump(struct agent *agent, struct lane *lane);
/* Frees a process that the host has forgotten once nothing of it is left. */
void process_retire(struct agent *agent, struct process *process);
struct process *process_find(struct agent *agent, uint32_t handle);

#endif
