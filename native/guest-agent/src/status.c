#include "status.h"

#include <string.h>

int fail_with(struct buffer *body, int status, const char *detail) {
  buffer_consume(body, buffer_length(body));
  (void)buffer_append(body, detail, strlen(detail));
  return status;
}
