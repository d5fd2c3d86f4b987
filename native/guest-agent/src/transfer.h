/* Streamed contents of files: READ, WRITE with COMMIT, CLOSE. What touches a disk is in transfer-work.c, on workers. */
#ifndef WRENN_TRANSFER_H
#define WRENN_TRANSFER_H

#include "agent.h"
#include "wire.h"

int request_open(struct agent *agent, const struct ticket *ticket, bool writing, struct reader *r, struct buffer *body);
int request_commit(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body);
/* Of a transfer or a feed. */
int request_close(struct agent *agent, const struct ticket *ticket, struct reader *r, struct buffer *body);

bool transfer_exists(struct agent *agent, uint32_t handle);
void transfers_close_all(struct agent *agent);
void transfers_detach(struct agent *agent, int lane);
bool transfer_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length);
bool transfer_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit);
/* Sends what the bulk lane has room for; true when anything was queued. */
bool transfers_pump(struct agent *agent, struct lane *lane);

#endif
