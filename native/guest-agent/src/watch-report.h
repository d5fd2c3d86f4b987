/* What a watch reports: records, and what is missing between them. */
#ifndef WRENN_WATCH_REPORT_H
#define WRENN_WATCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

enum change { CHANGE_CREATE = 1, CHANGE_WRITE, CHANGE_REMOVE, CHANGE_RENAME, CHANGE_CHMOD, CHANGE_OVERFLOW, CHANGE_UNWATCHED };

struct watch_report {
  struct buffer records; /* to be taken */
  bool lost;             /* changes were missed, which the next record must say */
  bool names_unwatched;  /* the host knows CHANGE_UNWATCHED */
  unsigned unwatched;    /* directories reported so far */
};

/* Nothing is allocated that can fail before `report_take`: what does not fit is reported as lost. */
void report_change(struct watch_report *report, enum change kind, bool directory, const char *path, const char *old);
/* Changes of this directory are not seen, because of an errno. After many of them one stands for the rest. */
void report_unwatched(struct watch_report *report, const char *path, int problem);
/* Moves the records to `made`, a loss included. */
void report_take(struct watch_report *report, struct buffer *made);
/* The record of a loss. */
void report_put_loss(struct buffer *to);

#endif
