/* The streams of a process: what the host sends to its input and takes of its outputs. */
#ifndef WRENN_PROCESS_STREAMS_H
#define WRENN_PROCESS_STREAMS_H

#include "process.h"

extern const struct stream_kind process_streams;

#endif
