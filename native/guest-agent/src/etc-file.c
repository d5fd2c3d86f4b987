#define _GNU_SOURCE
#include "etc-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lists of blocked names make hosts files of some megabytes. */
enum { SIZE_LIMIT = 16 << 20, ID_LENGTH = 28 };

static const char blanks[] = " \t\r";
static const char own_address[] = "127.0.1.1";
static const char new_hosts[] = "127.0.0.1 localhost\n::1 ip6-localhost\n";

struct word {
  const char *at;
  size_t length;
};

/* The next word of a line before its end or a comment; empty at the end. */
static struct word next_word(const char *at, const char *end) {
  while (at < end && memchr(blanks, *at, sizeof blanks - 1)) at++;
  struct word word = {at, 0};
  while (at + word.length < end && at[word.length] != '#' && !memchr(blanks, at[word.length], sizeof blanks - 1)) word.length++;
  return word;
}

static bool word_is(struct word word, const char *text) { return word.length == strlen(text) && memcmp(word.at, text, word.length) == 0; }

/* A name that the host gave this machine or the one it is a copy of. */
static bool is_ours(struct word word, const char *old) {
  return (*old && word_is(word, old)) || (word.length == ID_LENGTH && memcmp(word.at, "cl-", 3) == 0);
}

/* `text` with the part at `from`, `length` long, replaced by `with`. */
static char *replace_part(const char *text, size_t text_length, size_t from, size_t length, const char *with, size_t *new_length) {
  size_t added = strlen(with);
  char *copy = malloc(text_length - length + added + 1);
  if (!copy) return NULL;
  memcpy(copy, text, from);
  memcpy(copy + from, with, added);
  memcpy(copy + from + added, text + from + length, text_length - from - length);
  *new_length = text_length - length + added;
  copy[*new_length] = 0;
  return copy;
}

static const char *line_end(const char *at, const char *end) {
  const char *newline = memchr(at, '\n', (size_t)(end - at));
  return newline ? newline : end;
}

char *hosts_edit(const char *text, size_t length, const char *value, const char *old, size_t *new_length) {
  char line[128];
  const char *end = text + length;
  struct word found = {NULL, 0};
  for (const char *at = text; at < end; at = line_end(at, end) + 1) {
    const char *stop = line_end(at, end);
    struct word address = next_word(at, stop);
    for (struct word name = next_word(address.at + address.length, stop); name.length > 0; name = next_word(name.at + name.length, stop)) {
      if (word_is(name, value)) return replace_part(text, length, 0, 0, "", new_length);
      if (!found.at && word_is(address, own_address) && is_ours(name, old)) found = name;
    }
  }
  if (found.at) return replace_part(text, length, (size_t)(found.at - text), found.length, value, new_length);
  bool open_line = length > 0 && text[length - 1] != '\n';
  snprintf(line, sizeof line, "%s%s%s %s\n", length == 0 ? new_hosts : "", open_line ? "\n" : "", own_address, value);
  return replace_part(text, length, length, 0, line, new_length);
}

char *line_edit(const char *text, size_t length, const char *value, const char *old, size_t *new_length) {
  char line[128];
  const char *end = text + length;
  (void)old;
  for (const char *at = text; at < end; at = line_end(at, end) + 1) {
    const char *stop = line_end(at, end);
    if (next_word(at, stop).length == 0) continue;
    return replace_part(text, length, (size_t)(at - text), (size_t)(stop - at), value, new_length);
  }
  snprintf(line, sizeof line, "%s%s\n", length > 0 && text[length - 1] != '\n' ? "\n" : "", value);
  return replace_part(text, length, length, 0, line, new_length);
}

static bool write_at(int fd, const char *bytes, size_t length, off_t offset) {
  while (length > 0) {
    ssize_t n = pwrite(fd, bytes, length, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    length -= (size_t)n;
    offset += n;
  }
  return true;
}

static char *read_whole(int fd, size_t length) {
  char *text = malloc(length + 1);
  size_t filled = 0;
  while (text && filled < length) {
    ssize_t n = pread(fd, text + filled, length - filled, (off_t)filled);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      filled += (size_t)n;
      continue;
    }
    free(text);
    text = NULL;
    if (n == 0) errno = EIO;
  }
  return text;
}

/*
 * In place: a file that was put under another name would lose links, mounts and attributes, and needs room where there may be
 * none. Users' processes stand still during the change, and a name that is as long as the old one changes nothing else.
 */
static const char *write_change(int fd, const char *before, size_t before_length, const char *after, size_t after_length) {
  size_t shorter = before_length < after_length ? before_length : after_length;
  size_t from = 0;
  while (from < shorter && before[from] == after[from]) from++;
  if (from == shorter && before_length == after_length) return NULL;
  size_t to = after_length;
  if (before_length == after_length)
    while (before[to - 1] == after[to - 1]) to--;
  /* What does not fit is refused before anything is written. */
  if (after_length > before_length && fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)before_length, (off_t)(after_length - before_length)) && errno == ENOSPC)
    return strerror(ENOSPC);
  if (!write_at(fd, after + from, to - from, (off_t)from)) return strerror(errno);
  if (after_length < before_length && ftruncate(fd, (off_t)after_length)) return strerror(errno);
  return NULL;
}

static const char *change_open_file(int fd, size_t length, etc_edit *edit, const char *value, const char *old) {
  size_t new_length;
  char *before = read_whole(fd, length);
  if (!before) return strerror(errno);
  char *after = edit(before, length, value, old, &new_length);
  const char *problem = after ? write_change(fd, before, length, after, new_length) : strerror(ENOMEM);
  free(before);
  free(after);
  return problem;
}

static const char *make_file(const char *path, etc_edit *edit, const char *value) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return errno == EEXIST ? "a link that leads nowhere" : strerror(errno);
  const char *problem = change_open_file(fd, 0, edit, value, "");
  if (close(fd) && !problem) problem = strerror(errno);
  if (problem) (void)unlink(path);
  return problem;
}

const char *etc_file_change(const char *path, etc_edit *edit, const char *value, const char *old) {
  char found_path[32];
  struct stat st;
  /* Only found, not opened: opening a FIFO waits for its other end, and opening a device does something. */
  int found = open(path, O_PATH | O_CLOEXEC);
  if (found < 0) return errno == ENOENT ? make_file(path, edit, value) : strerror(errno);
  const char *problem = NULL;
  int fd = -1;
  if (fstat(found, &st))
    problem = strerror(errno);
  else if (!S_ISREG(st.st_mode))
    problem = "not a regular file";
  else if (st.st_size > SIZE_LIMIT)
    problem = "too large";
  snprintf(found_path, sizeof found_path, "/proc/self/fd/%d", found);
  if (!problem && (fd = open(found_path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) problem = strerror(errno);
  close(found);
  if (fd < 0) return problem;
  problem = change_open_file(fd, (size_t)st.st_size, edit, value, old);
  if (close(fd) && !problem) problem = strerror(errno);
  return problem;
}

const char *etc_file_replace(const char *path, const char *text) {
  char name[256];
  if (snprintf(name, sizeof name, "%s.wrenn", path) >= (int)sizeof name) return strerror(ENAMETOOLONG);
  (void)unlink(name);
  int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return strerror(errno);
  bool ok = write_at(fd, text, strlen(text), 0);
  ok = close(fd) == 0 && ok && rename(name, path) == 0;
  if (ok) return NULL;
  const char *problem = strerror(errno);
  (void)unlink(name);
  return problem;
}
