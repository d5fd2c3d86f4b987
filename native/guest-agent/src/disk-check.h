/*
 * Checking the disk of a guest before it is mounted. Images have no journal: a file system that was in use when its machine ended
 * is whole only after e2fsck, which the first file system brings along, because images may lack it and users may remove it.
 */
#ifndef WRENN_DISK_CHECK_H
#define WRENN_DISK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_state { DISK_CLEAN, DISK_CHECKED, DISK_DAMAGED };

enum { SUPERBLOCK_AT = 1024, SUPERBLOCK_SIZE = 64 };

/* Whether the first bytes of an ext4 superblock say that it was unmounted, and that the kernel has found no error. */
bool superblock_is_clean(const uint8_t bytes[SUPERBLOCK_SIZE]);
/* Repairs the file system on a device that was not unmounted, and remembers how it was. DISK_DAMAGED when it must not be mounted. */
enum disk_state disk_check(const char *device);
/* How the disk was when this machine was booted. */
enum disk_state disk_state_at_boot(void);
/* Frees the memory that the program takes in the first file system. */
void disk_check_remove(void);

#endif
