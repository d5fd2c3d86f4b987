/* Bytes for an upload: UPLOAD_WRITE and UPLOAD_FINISH. One stream at a time appends to an upload; what has arrived stays, however it ends. */
#ifndef WRENN_UPLOAD_STREAM_H
#define WRENN_UPLOAD_STREAM_H

#include "uploads.h"

int request_upload_write(struct uploads *uploads, struct reader *r, struct buffer *body);
int request_upload_finish(struct uploads *uploads, const struct ticket *ticket, struct reader *r, struct buffer *body);

#endif
