#include "requests.h"

#include <string.h>

#include "archive.h"
#include "configure.h"
#include "counters.h"
#include "errand.h"
#include "files.h"
#include "process.h"
#include "quiesce.h"
#include "transfer.h"
#include "watch.h"

enum operation {
  OP_INFO = 1,
  OP_CONFIGURE,
  OP_COUNTERS,
  OP_PORTS,
  OP_QUIESCE,
  OP_THAW,
  OP_START = 16,
  OP_WAIT,
  OP_SIGNAL,
  OP_RESIZE,
  OP_LIST,
  OP_FORGET,
  OP_OVERFLOW,
  OP_READ = 48,
  OP_WRITE,
  OP_COMMIT,
  OP_CLOSE,
  OP_WATCH,
  OP_ARCHIVE,
};

int fail_with(struct buffer *body, int status, const char *detail) {
  buffer_consume(body, buffer_length(body));
  (void)buffer_append(body, detail, strlen(detail));
  return status;
}

static int dispatch_control(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  switch (op) {
    case OP_INFO:
      return request_info(agent, r, body);
    case OP_CONFIGURE:
      return request_configure(agent, ticket, r, body);
    case OP_COUNTERS:
      return errand_begin(ticket, op, run_counters, r);
    case OP_PORTS:
      return errand_begin(ticket, op, run_ports, r);
    case OP_QUIESCE:
      return request_quiesce(ticket, op, r, body);
    case OP_THAW:
      return request_thaw(r, body);
    case OP_START:
      return request_start(agent, r, body);
    case OP_WAIT:
      return request_wait(agent, ticket, r, body);
    case OP_SIGNAL:
      return request_signal(agent, r, body);
    case OP_RESIZE:
      return request_resize(agent, r, body);
    case OP_LIST:
      return request_list(agent, r, body);
    case OP_FORGET:
      return request_forget(agent, r, body);
    case OP_OVERFLOW:
      return request_overflow(agent, r, body);
    default:
      return fail_with(body, STATUS_BAD_REQUEST, "unknown operation");
  }
}

static int dispatch_bulk(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  switch (op) {
    case OP_READ:
    case OP_WRITE:
      return request_open(agent, ticket, op == OP_WRITE, r, body);
    case OP_COMMIT:
      return request_commit(agent, ticket, r, body);
    case OP_CLOSE:
      return request_close(agent, ticket, r, body);
    case OP_WATCH:
      return request_watch(agent, ticket, r, body);
    case OP_ARCHIVE:
      return request_archive(agent, ticket, r, body);
    default:
      return errand_begin(ticket, op, run_file, r);
  }
}

int request_dispatch(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  return ticket->lane == 0 ? dispatch_control(agent, ticket, op, r, body) : dispatch_bulk(agent, ticket, op, r, body);
}
