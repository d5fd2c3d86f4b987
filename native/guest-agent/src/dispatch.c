#include "dispatch.h"

#include <errno.h>

#include "agent.h"
#include "archive.h"
#include "configure.h"
#include "counters.h"
#include "blocking-job.h"
#include "grow.h"
#include "listeners.h"
#include "processes.h"
#include "quiesce.h"
#include "shutdown.h"
#include "status.h"
#include "upload-stream.h"
#include "watch.h"

enum operation {
  OP_INFO = 1,
  OP_CONFIGURE,
  OP_COUNTERS,
  OP_PORTS,
  OP_QUIESCE,
  OP_THAW,
  OP_LISTENERS = 8,
  OP_SHUTDOWN = 9,
  OP_GROW = 12,
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
  OP_CANCEL,
  OP_UPLOAD_CREATE = 64,
  OP_UPLOAD_STATE,
  OP_UPLOAD_WRITE,
  OP_UPLOAD_FINISH,
  OP_UPLOAD_DROP,
};

static int close_stream(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body) {
  struct stream *stream = stream_find(&agent->streams, read_u32(r));
  if (!read_finished(r)) return fail_with(body, STATUS_BAD_REQUEST, "CLOSE does not parse");
  if (!stream || !stream->kind->close) return STATUS_UNKNOWN_HANDLE;
  stream->kind->close(stream, ticket);
  return STATUS_LATER;
}

static int dispatch_control(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  switch (op) {
    case OP_INFO:
      return request_info(agent, r, body);
    case OP_CONFIGURE:
      return request_configure(agent, ticket, r, body);
    case OP_COUNTERS:
      return blocking_job_begin(&agent->jobs, ticket, op, run_counters, r);
    case OP_PORTS:
      return blocking_job_begin(&agent->jobs, ticket, op, run_ports, r);
    case OP_QUIESCE:
      return request_quiesce(&agent->cgroups, &agent->jobs, ticket, op, r, body);
    case OP_THAW:
      return request_thaw(&agent->cgroups, r, body);
    case OP_LISTENERS:
      return blocking_job_begin(&agent->jobs, ticket, op, run_listeners, r);
    case OP_GROW:
      return request_grow(agent, ticket, op, r, body);
    case OP_SHUTDOWN:
      return request_shutdown(agent, ticket, op, r, body);
    case OP_START:
      return request_start(&agent->processes, r, body);
    case OP_WAIT:
      return request_wait(&agent->processes, ticket, r, body);
    case OP_SIGNAL:
      return request_signal(&agent->processes, r, body);
    case OP_RESIZE:
      return request_resize(&agent->processes, r, body);
    case OP_LIST:
      return request_list(&agent->processes, r, body);
    case OP_FORGET:
      return request_forget(&agent->processes, r, body);
    case OP_OVERFLOW:
      return request_overflow(&agent->processes, r, body);
    default:
      return fail_with(body, STATUS_BAD_REQUEST, "unknown operation");
  }
}

static int dispatch_bulk(struct agent *agent, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  switch (op) {
    case OP_READ:
    case OP_WRITE:
      return request_open(&agent->transfers, ticket, op == OP_WRITE, r, body);
    case OP_COMMIT:
      return request_commit(&agent->transfers, ticket, r, body);
    case OP_CLOSE:
      return close_stream(agent, ticket, r, body);
    case OP_WATCH:
      return request_watch(&agent->feeds, ticket, r, body);
    case OP_ARCHIVE:
      return request_archive(&agent->feeds, ticket, r, body);
    case OP_CANCEL:
      return request_cancel(&agent->file_jobs, r, body);
    case OP_UPLOAD_CREATE:
      return request_upload_create(&agent->uploads, ticket, r, body);
    case OP_UPLOAD_STATE:
      return request_upload_state(&agent->uploads, r, body);
    case OP_UPLOAD_WRITE:
      return request_upload_write(&agent->uploads, r, body);
    case OP_UPLOAD_FINISH:
      return request_upload_finish(&agent->uploads, ticket, r, body);
    case OP_UPLOAD_DROP:
      return request_upload_drop(&agent->uploads, r, body);
    default:
      return file_job_begin(&agent->file_jobs, ticket, op, r);
  }
}

int dispatch(void *owner, const struct ticket *ticket, uint16_t op, struct reader *r, struct buffer *body) {
  struct agent *agent = owner;
  return ticket->table->lane->id == LANE_INTERACTIVE ? dispatch_control(agent, ticket, op, r, body) : dispatch_bulk(agent, ticket, op, r, body);
}
