/*
 * One worker at a time judges what is at a path and replaces it, so that of two writers who expect the same version one fails.
 * Workers with other paths do not wait: a file system that hangs holds up its own paths only.
 */
#ifndef WRENN_PATH_CLAIM_H
#define WRENN_PATH_CLAIM_H

struct path_claim {
  struct path_claim *next;
  const char *path; /* of the caller, until path_unclaim */
};

/* Waits until no other claim has the path. */
void path_claim(struct path_claim *claim, const char *path);
void path_unclaim(struct path_claim *claim);

#endif
