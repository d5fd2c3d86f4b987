#include "watch-report.h"

#include <errno.h>
#include <string.h>

#include "wire.h"

/* Records that wait; and directories without a watch that are named. */
enum { RECORDS_LIMIT = 1 << 20, UNWATCHED_LIMIT = 1000 };

static void put(struct buffer *to, enum change kind, bool directory, const char *path, const char *old) {
  write_u32(to, (uint32_t)(2 + 4 + strlen(path) + 4 + strlen(old)));
  write_u8(to, (uint8_t)kind);
  write_u8(to, directory);
  write_text(to, path);
  write_text(to, old);
}

void report_put_loss(struct buffer *to) { put(to, CHANGE_OVERFLOW, false, "", ""); }

static void tell_loss(struct watch_report *report) {
  if (report->lost) report_put_loss(&report->records);
  report->lost = false;
}

void report_change(struct watch_report *report, enum change kind, bool directory, const char *path, const char *old) {
  /* A tree moved in is announced as a whole: what of it does not fit is one overflow. */
  if (buffer_length(&report->records) > RECORDS_LIMIT) {
    report->lost = true;
    return;
  }
  tell_loss(report);
  put(&report->records, kind, directory, path, old);
}

static const char *reason_of(int problem) {
  switch (problem) {
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return "limit";
    case EACCES:
    case EPERM:
      return "permission";
    case ENAMETOOLONG:
      return "depth";
    default:
      return "unavailable";
  }
}

void report_unwatched(struct watch_report *report, const char *path, int problem) {
  /* A host that cannot be given names is told by a loss at least, and so are clients that do not know them. */
  if (!report->names_unwatched || (problem != EACCES && problem != EPERM)) report->lost = true;
  if (!report->names_unwatched || report->unwatched > UNWATCHED_LIMIT) return;
  report_change(report, CHANGE_UNWATCHED, true, ++report->unwatched > UNWATCHED_LIMIT ? "" : path, reason_of(problem));
}

void report_take(struct watch_report *report, struct buffer *made) {
  tell_loss(report);
  if (!buffer_append(made, buffer_data(&report->records), buffer_length(&report->records))) report->lost = true;
  buffer_consume(&report->records, buffer_length(&report->records));
}
