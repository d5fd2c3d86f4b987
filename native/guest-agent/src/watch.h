/* WATCH: changes below a path, as records on a feed. */
#ifndef WRENN_WATCH_H
#define WRENN_WATCH_H

#include "feed.h"

int request_watch(struct feeds *feeds, const struct ticket *ticket, struct reader *r, struct buffer *body);

#endif
