#ifndef WRENN_LOOPBACK_H
#define WRENN_LOOPBACK_H

/*
 * Lets connections from the host reach services that listen on 127.0.0.1 only. Called once by init, after the network is up;
 * an image without nft goes on without it and says so on the console.
 */
void open_loopback(void);

#endif
