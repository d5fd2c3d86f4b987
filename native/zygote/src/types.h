/* The types of QEMU's object model, which QEMU registers and fills in at the beginning of main. */
#ifndef WRENN_ZYGOTE_TYPES_H
#define WRENN_ZYGOTE_TYPES_H

#include <stdbool.h>

/*
 * Does that work once for all machines: main finds it done. False when the program is a QEMU that does it in another way, and must
 * not be used any further; true also in a program that is not a QEMU.
 */
bool types_prepare(void);

#endif
