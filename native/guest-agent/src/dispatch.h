/* From an operation's number to the function that handles it. */
#ifndef WRENN_DISPATCH_H
#define WRENN_DISPATCH_H

#include "request-table.h"

/* Handles any request; its owner is the agent. */
request_handler dispatch;

#endif
