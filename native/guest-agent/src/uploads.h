/*
 * Uploads that outlive their requests: UPLOAD_CREATE, UPLOAD_STATE, UPLOAD_DROP. Their bytes are in files that get their names when
 * they are complete (replacement.h). upload-stream.c appends.
 */
#ifndef WRENN_UPLOADS_H
#define WRENN_UPLOADS_H

#include "jobs.h"
#include "replacement.h"
#include "request-table.h"
#include "stream-table.h"

enum { UPLOAD_LIMIT = 64, UPLOAD_ID = 64 };

struct uploads {
  struct loop *loop;
  struct jobs *jobs;
  struct stream_table *streams;
  struct upload *first;
  size_t count;
  size_t streaming; /* how many of them a stream appends to */
  struct watch timer; /* for the one that expires next */
};

struct upload {
  struct upload *next;
  struct uploads *uploads;
  char id[UPLOAD_ID + 1];
  struct replacement file; /* while `busy`, of a worker or a stream */
  uint64_t size;
  uint64_t offset;   /* bytes that have arrived */
  uint64_t lifetime; /* ms after the last byte, by the wall clock */
  uint64_t expires;
  bool opened; /* and answered: only then the host may know it */
  bool busy;
  bool dropped; /* not in the table; closed when nothing owns its file */
};

bool uploads_open(struct uploads *uploads);
/* Gives all up: they belong to the capsule that this one was made from. */
void uploads_drop_all(struct uploads *uploads);

int request_upload_create(struct uploads *uploads, const struct ticket *ticket, struct reader *r, struct buffer *body);
int request_upload_state(struct uploads *uploads, struct reader *r, struct buffer *body);
int request_upload_drop(struct uploads *uploads, struct reader *r, struct buffer *body);

/* --- for upload-stream.c --- */

/* Reads an id; NULL when no upload that may be used has it. */
struct upload *upload_find(struct uploads *uploads, struct reader *r);
/* Bytes arrived: its time begins again. */
void upload_touch(struct upload *upload);
void upload_describe(const struct upload *upload, struct buffer *body);
/* Milliseconds until it expires. */
uint64_t upload_left(const struct upload *upload);
/* Its file has no owner: the worker or stream that had it is done. */
void upload_release(struct upload *upload);
/* Removes it from the table, and its bytes as soon as nothing owns them. */
void upload_drop(struct upload *upload);

#endif
