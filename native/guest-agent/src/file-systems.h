/* What is mounted in the guest, and taking it off when the guest is about to be switched off. */
#ifndef WRENN_FILE_SYSTEMS_H
#define WRENN_FILE_SYSTEMS_H

#include <stddef.h>

/* Writes the path of a line of /proc/self/mounts to `path` if it has to be unmounted; 0 when it has not, and for what does not parse. */
int mount_to_remove(const char *line, char *path, size_t size);
/* Whether a line of /proc/self/mounts is of a file system that may wait for a process or another machine, as FUSE and NFS do. */
int mount_is_foreign(const char *line);
/* Whether one is mounted now. Reads the list only when it has changed; called by one thread. */
int file_systems_foreign(void);
/* Ends the use of swap files and unmounts what users have mounted on disks, the last mount first. What is in use stays. */
void file_systems_unmount(void);
/* Makes the root file system read-only, which writes all of it to the disk and marks it as clean. NULL, or why it cannot be. */
const char *root_seal(void);
/* Makes it writable again. */
const char *root_unseal(void);

#endif
