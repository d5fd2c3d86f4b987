/*
 * The connection between the host agent and the page server of one machine. Its other side is
 * packages/memory-image/src/page-server/protocol.ts.
 *
 * Each frame is a type (u32), the length of its payload (u32) and the payload. Numbers are little-endian. A side that receives a frame
 * of another type, of another length or with a number that is out of range ends its work. The end of the connection ends the program.
 *
 *   to the program      payload
 *   set-up              around u32, handshake ms u32, files u32, extents u32, runs u32, zero u32; once, first
 *   extents             struct extent each; as many frames as it takes for all extents, then
 *   working set         struct run each; as many as it takes for all runs: pages to bring in while nothing faults
 *   provide             offset u64 and whole pages, at most a block
 *   fill                struct run each: all pages that the machine can miss; once, after the set-up
 *   report              none: asks for a report
 *
 *   from the program    payload
 *   request             offset u64, length u32, zero u32: a block that the host agent has; at most MAX_IN_FLIGHT are unanswered
 *   report              counters 6 u64, recorded pages u32, zero u32, their numbers u32 each: the answer, once for each that was asked
 *   ended               outcome u32, length of the text u32, a report, the text: the last frame
 */
#ifndef WRENN_PROTOCOL_H
#define WRENN_PROTOCOL_H
#include "image.h"

enum { BLOCK_PAGES = 64, MAX_IN_FLIGHT = 32, MAX_EXTENTS = 1 << 24, MAX_RUNS = 1 << 20, MAX_RECORDED = 1 << 18, MAX_TEXT = 200 };

enum { TO_SET_UP = 1, TO_EXTENTS = 2, TO_WORKING_SET = 3, TO_PROVIDE = 4, TO_FILL = 5, TO_REPORT = 6 };
enum { FROM_REQUEST = 1, FROM_REPORT = 2, FROM_ENDED = 3 };
/* The machine ended; it has every page; or `text` says why no more faults are answered. */
enum { OUTCOME_GONE = 0, OUTCOME_COMPLETE = 1, OUTCOME_FAILED = 2 };

enum { FRAME_HEAD = 8, SET_UP_LENGTH = 24, MAX_PAYLOAD = 8 + BLOCK_PAGES * PAGE };

/* `count` pages from page number `first` on. */
struct run {
  uint32_t first;
  uint32_t count;
};
#endif
