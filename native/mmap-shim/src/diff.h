#ifndef WRENN_SHIM_DIFF_H
#define WRENN_SHIM_DIFF_H

#include <stddef.h>
#include <stdint.h>

/*
 * Lays the pages of a WRENNDIF file (packages/memory-image/src/diff-file.ts) over `memory`: listed pages get the file's
 * bytes, zero pages become zero. Every page that is touched becomes a page of this process, as a write of the guest
 * would make it, so that the next dump against the base finds it again.
 *
 * Returns NULL, or what is wrong with the file; `memory` may then hold some of its pages.
 */
const char *diff_apply(int fd, uint8_t *memory, size_t memory_size);

#endif
