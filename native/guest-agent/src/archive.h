/* ARCHIVE: a directory as a tar stream, walked and read only as fast as the host takes it. */
#ifndef WRENN_ARCHIVE_H
#define WRENN_ARCHIVE_H

#include "feed.h"

int request_archive(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body);

#endif
