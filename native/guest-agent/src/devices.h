#ifndef WRENN_DEVICES_H
#define WRENN_DEVICES_H

/* Completes /dev as devtmpfs leaves it: nodes whose module is loaded when they are opened, and links. Called once by init, in the guest's root. */
void devices_complete(void);

#endif
