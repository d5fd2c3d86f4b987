/* Directories that an image has in /run, such as /run/mysqld: services expect them, and packages make them only once. */
#ifndef WRENN_RUN_DIRECTORIES_H
#define WRENN_RUN_DIRECTORIES_H

/*
 * Makes the directories below `from` below `to`, with their owners and modes; files and links are left out, and so is what is beyond a bound.
 * Takes `from`, which may be -1, and leaves `to`.
 */
void run_directories_copy(int from, int to);

#endif
