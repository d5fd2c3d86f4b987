/*
 * Small files that name the machine, in which users may have written what they like: one line is replaced where it stands and
 * every other byte stays, with owner, mode and links. Nothing here opens anything but a regular file.
 */
#ifndef WRENN_ETC_FILE_H
#define WRENN_ETC_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* The text of a file with one line changed, allocated; NULL when memory is short. */
typedef char *etc_edit(const char *text, size_t length, const char *value, const char *old, size_t *new_length);

/* /etc/hosts: `value` takes the place of `old`, or of an older name from the host, in the lines of 127.0.1.1; without one it gets a line. */
etc_edit hosts_edit;
/* A file whose first line that is neither empty nor a comment is the value. */
etc_edit line_edit;

/*
 * Changes the file at `path`, or makes it, with `edit`. Links are followed. NULL, or what prevented it; then the file is as it was.
 * May wait for a slow file system.
 */
const char *etc_file_change(const char *path, etc_edit *edit, const char *value, const char *old);

/* Replaces the file at `path` as a whole and at once, whatever it is. NULL, or what prevented it. */
const char *etc_file_replace(const char *path, const char *text);

#endif
