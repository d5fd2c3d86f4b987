/*
 * `wrenn-guest-agent --place TARGET WHAT OWNER DIRECTORY < ARCHIVE`: brings the files below a directory of a tar archive to a place in the
 * guest, for builds that copy files into images without programs. It runs as root in the guest of the build.
 */
#ifndef WRENN_PLACE_FILES_H
#define WRENN_PLACE_FILES_H

/*
 * `words`: the target, absolute; `directory`, `files` or `file` (one alone, and the target is its new name unless it is a directory);
 * the owner; and the directory of the archive. Directories that are there keep owner and mode, links to directories stay links, and other
 * things are replaced. Returns an exit code, and says on standard error what is wrong.
 */
int place_files(int count, char **words);

#endif
