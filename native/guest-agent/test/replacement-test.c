#define _GNU_SOURCE
#include "replacement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "files.h"
#include "status.h"
#include "temporary.h"

int entry_describe(struct buffer *body, const char *path, const struct stat *st) {
  write_text(body, path);
  write_u64(body, st->st_ino);
  return STATUS_OK;
}

static char directory[] = "/tmp/wrenn-replacement-XXXXXX";

static struct replacement of(const char *name) {
  struct replacement r = {.fd = -1, .mode = 0640};
  snprintf(r.path, sizeof r.path, "%s/%s", directory, name);
  CHECK(user_find("root", &r.user));
  return r;
}

static int names(void) {
  int count = 0;
  DIR *d = opendir(directory);
  for (struct dirent *entry; d && (entry = readdir(d));) count += entry->d_name[0] != '.' || entry->d_name[1] == 'w';
  closedir(d);
  return count;
}

static void put(struct replacement *r, bool named, const char *text) {
  struct buffer detail = {0};
  CHECK(replacement_judge(r, &detail) == STATUS_OK);
  CHECK((named ? replacement_open_named(r, directory) : replacement_open(r)) == STATUS_OK);
  CHECK(write(r->fd, text, strlen(text)) == (ssize_t)strlen(text));
  buffer_free(&detail);
}

static int commit(struct replacement *r) {
  struct buffer answer = {0};
  int status = replacement_commit(r, (struct commit){0}, &answer);
  replacement_close(r);
  CHECK(status != STATUS_OK || buffer_length(&answer) > 0);
  buffer_free(&answer);
  return status;
}

static bool holds(const char *name, const char *text, mode_t mode) {
  char content[64] = "";
  struct stat st;
  struct replacement r = of(name);
  int fd = open(r.path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, content, sizeof content - 1);
  bool same = n >= 0 && strcmp(content, text) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == mode;
  close(fd);
  return same;
}

/* A new file, one that replaces another, and one that must not, with and without a name while they are written. */
static void test_commits(bool named) {
  struct replacement r = of("file");
  put(&r, named, "first");
  CHECK(names() == (named ? 1 : 0));
  CHECK(commit(&r) == STATUS_OK);
  CHECK(holds("file", "first", 0640) && names() == 1);
  CHECK(chmod(r.path, 04711) == 0);
  r = of("file");
  put(&r, named, "second");
  CHECK(commit(&r) == STATUS_OK);
  CHECK(holds("file", "second", 04711) && names() == 1);

  r = of("other");
  r.exclusive = true;
  put(&r, named, "mine");
  struct replacement rival = of("other");
  put(&rival, named, "theirs");
  CHECK(commit(&rival) == STATUS_OK);
  CHECK(commit(&r) == EEXIST);
  CHECK(holds("other", "theirs", 0640) && names() == 2);

  r = of("abandoned");
  put(&r, named, "lost");
  replacement_close(&r);
  CHECK(names() == 2);
  CHECK(unlink(of("file").path) == 0 && unlink(of("other").path) == 0);
}

/* Directories above the file are made with it, and not for one that is abandoned. */
static void test_parents(void) {
  char parent[PATH_LIMIT + 1];
  struct buffer detail = {0};
  struct replacement r = of("deep/er/file");
  CHECK(replacement_open(&r) == ENOENT);
  r.parents = true;
  put(&r, false, "lost");
  replacement_close(&r);
  put(&r, false, "text");
  CHECK(names() == 0);
  CHECK(commit(&r) == STATUS_OK);
  snprintf(parent, sizeof parent, "%s/link", directory);
  CHECK(symlink("missing", parent) == 0);
  struct replacement dangling = of("link/file");
  dangling.parents = true;
  CHECK(replacement_judge(&dangling, &detail) == STATUS_OK && replacement_open(&dangling) == ENOENT);
  CHECK(unlink(parent) == 0);
  buffer_free(&detail);
  snprintf(parent, sizeof parent, "%s/deep/er", directory);
  CHECK(holds("deep/er/file", "text", 0640));
  CHECK(unlink(r.path) == 0 && rmdir(parent) == 0);
  snprintf(parent, sizeof parent, "%s/deep", directory);
  CHECK(rmdir(parent) == 0);
}

/* A name that no file can have is found out at the end, if the directories above it are missing too. */
static void test_parents_of_a_failure(void) {
  char name[300];
  snprintf(name, sizeof name, "deep/er/%0280d", 0);
  struct replacement r = of(name);
  r.parents = true;
  put(&r, false, "lost");
  CHECK(commit(&r) == ENAMETOOLONG && names() == 0);
}

static void test_targets(void) {
  struct buffer detail = {0};
  char name[300];
  snprintf(name, sizeof name, "%0280d", 0);
  struct replacement r = of("");
  CHECK(replacement_judge(&r, &detail) == EISDIR);
  static const char *const directories[] = {"missing/", "missing/.", "missing/.."};
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    r = of(directories[i]);
    r.parents = true;
    CHECK(replacement_judge(&r, &detail) == EISDIR);
  }
  r = of(name);
  CHECK(replacement_judge(&r, &detail) == ENAMETOOLONG);
  r = of("missing/file");
  CHECK(replacement_judge(&r, &detail) == STATUS_OK && replacement_open(&r) == ENOENT);
  snprintf(r.path, sizeof r.path, "/dev/null");
  CHECK(replacement_judge(&r, &detail) == EINVAL);
  buffer_free(&detail);
}

static void test_names(void) {
  char name[PATH_LIMIT + 1];
  CHECK(temporary_beside("/a/b", "copy", name) == 0 && strncmp(name, "/a/.wrenn-copy-", 15) == 0);
  CHECK(temporary_is(name) && temporary_is_kind(name, "copy") && !temporary_is_kind(name, "cop"));
  CHECK(temporary_beside("/b", TEMPORARY_UPLOAD, name) == 0 && temporary_is(name) && !temporary_is_kind(name, "copy"));
  static const char *const others[] = {".wrenn-", ".wrenn-upload-", ".wrenn-upload-0123", "upload-0123456789abcdef", ".wrenn-upload-0123456789abcdefg", ".wrenn--0123456789abcdef", ".wrenn-up2-0123456789abcdef", "/.wrenn-upload-0123456789abcdef/x"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) CHECK(!temporary_is(others[i]));
}

int main(void) {
  CHECK(mkdtemp(directory) != NULL);
  test_commits(false);
  test_commits(true);
  test_parents();
  test_parents_of_a_failure();
  test_targets();
  test_names();
  CHECK(rmdir(directory) == 0);
  return 0;
}
