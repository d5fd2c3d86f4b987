/* Status of a response: 0, an errno, or one of these. */
#ifndef WRENN_STATUS_H
#define WRENN_STATUS_H

#include "buffer.h"

enum status {
  STATUS_OK = 0,
  STATUS_BUSY = 1000,
  STATUS_UNKNOWN_HANDLE = 1001,
  STATUS_BAD_REQUEST = 1002,
  STATUS_NO_SUCH_USER = 1003,
  STATUS_HOOK_FAILED = 1004,
  STATUS_TOO_LARGE = 1005,
  STATUS_BAD_CWD = 1006,
  STATUS_OFFSET_DIFFERS = 1007, /* detail: the true offset, in decimal */
  STATUS_CONDITION_FAILED = 1008, /* the target is not what a write expects */
  STATUS_LATER = -1,            /* the handler answers by itself later */
  STATUS_UNBOUNDED = -2,        /* what is asked for may take long: nothing was done so far */
};

/* Puts a readable detail into the body of an error. */
int fail_with(struct buffer *body, int status, const char *detail);

#endif
