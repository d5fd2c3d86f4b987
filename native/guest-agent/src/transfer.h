/* Streamed contents of files: READ, WRITE with COMMIT, CLOSE. */
#ifndef WRENN_TRANSFER_H
#define WRENN_TRANSFER_H

#include "agent.h"
#include "wire.h"

int request_read(struct agent *agent, struct reader *r, struct buffer *body);
int request_write(struct agent *agent, struct reader *r, struct buffer *body);
int request_commit(struct agent *agent, struct reader *r, struct buffer *body);
int request_close(struct agent *agent, struct reader *r);

bool transfer_exists(struct agent *agent, uint32_t handle);
void transfers_close_all(struct agent *agent);
void transfers_detach(struct agent *agent, int lane);
bool transfer_input(struct agent *agent, uint32_t stream, uint64_t offset, const uint8_t *bytes, size_t length);
bool transfer_window(struct agent *agent, uint32_t stream, uint64_t received, uint64_t limit);
/* Sends what the bulk lane has room for; true when anything was queued. */
bool transfers_pump(struct agent *agent, struct lane *lane);

#endif
