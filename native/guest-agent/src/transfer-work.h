/* The part of a transfer that a worker owns while a job of it runs, and the loop at all other times. */
#ifndef WRENN_TRANSFER_WORK_H
#define WRENN_TRANSFER_WORK_H

#include "jobs.h"
#include "piece-writer.h"
#include "replacement.h"

/* Parts of few downloads are larger: each is a request to the disk. */
enum { READ_PART = 131072 - 8, LARGE_READ_PART = 4 * READ_PART };

struct transfer_work {
  struct job job; /* first: a job is its work */
  struct buffer request; /* READ or WRITE behind the handle, then free for use */
  struct buffer answer;
  int status;
  struct replacement file; /* for a READ only its path, user and descriptor */
  /* reading */
  uint64_t base;   /* offset in the file of the stream's first byte */
  uint64_t length; /* of the stream */
  bool unmeasured; /* the length is known at the end only */
  uint64_t part_offset;
  size_t part_length; /* wanted, then read */
  size_t part_limit;
  uint8_t *part;
  /* writing */
  struct buffer chunk;
  struct piece_writer writer;
  bool unbounded;  /* the commit runs among what may take long */
  bool may_gather; /* few files are written, so that pieces of them may be gathered */
  bool durable;
};

/* Each is the `work` of a job; the outcome is in `status`, an answer's body or detail in `answer`. */
void work_open_for_reading(struct job *job);
void work_open_for_writing(struct job *job);
void work_read(struct job *job);
void work_write(struct job *job);
void work_commit(struct job *job);
/* Closes and removes what is there to close and remove. */
void work_discard(struct job *job);

#endif
