#define _GNU_SOURCE
#include "../src/place-files.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/buffer.h"
#include "../src/tar.h"
#include "check.h"

static char root[64];

static void add(struct buffer *archive, const char *name, mode_t mode, const char *content) {
  struct stat st = {.st_mode = mode, .st_nlink = 1, .st_mtime = 1700000000};
  bool is_link = S_ISLNK(mode);
  size_t size = S_ISREG(mode) ? strlen(content) : 0;
  static const char zeros[TAR_BLOCK];
  st.st_size = (off_t)size;
  CHECK(tar_header(archive, name, is_link ? content : "", &st));
  CHECK(buffer_append(archive, content, size) && buffer_append(archive, zeros, tar_padding(size)));
}

/* Runs it on an archive; `length` bytes of it. */
static int place(const struct buffer *archive, size_t length, const char *target, const char *kind, const char *owner) {
  char path[200];
  char *words[] = {path, (char *)(size_t)kind, (char *)(size_t)owner, (char[]){"3"}};
  snprintf(path, sizeof path, "%s/%s", root, target);
  int fd = open("archive", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && write(fd, archive->bytes, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0);
  CHECK(dup2(fd, 0) == 0 && close(fd) == 0);
  return place_files(4, words);
}

static bool has(const char *path, const char *content, mode_t mode) {
  char bytes[100] = "";
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0 && read(fd, bytes, sizeof bytes - 1) >= 0 && fstat(fd, &st) == 0 && close(fd) == 0);
  return strcmp(bytes, content) == 0 && (st.st_mode & 07777) == mode;
}

static void trees_are_merged_and_files_replaced(void) {
  struct buffer archive = {0};
  struct stat st;
  char deep[300] = "3/deep/";
  memset(deep + 7, 'n', 200);
  add(&archive, "2/other", S_IFREG | 0644, "of another step");
  add(&archive, "3", S_IFDIR | 0755, "");
  add(&archive, "3/bin", S_IFDIR | 0700, "");
  add(&archive, "3/bin/tool", S_IFREG | 04755, "new");
  add(&archive, "3/link", S_IFLNK | 0777, "bin/tool");
  add(&archive, deep, S_IFREG | 0600, "");
  tar_finish(&archive);
  add(&archive, "3/linked/inside", S_IFREG | 0644, "through a link");
  CHECK(mkdir("app", 0750) == 0 && mkdir("app/bin", 0711) == 0 && mkdir("elsewhere", 0755) == 0);
  CHECK(symlink("../../elsewhere", "app/bin/tool") == 0 && symlink("../elsewhere", "app/linked") == 0);
  CHECK(place(&archive, buffer_length(&archive), "app/", "directory", "4242:4343") == 0);
  CHECK(has("app/bin/tool", "new", 04755) && has("elsewhere/inside", "through a link", 0644));
  CHECK(lstat("app/bin/tool", &st) == 0 && st.st_uid == 4242 && st.st_gid == 4343 && st.st_mtime == 1700000000);
  CHECK(stat("app/bin", &st) == 0 && (st.st_mode & 07777) == 0711 && st.st_uid == 0);
  CHECK(lstat("app/link", &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid == 4242);
  char long_path[310];
  snprintf(long_path, sizeof long_path, "app/%s", deep + 2);
  CHECK(has(long_path, "", 0600) && access("app/other", F_OK) != 0);
  CHECK(place(&archive, buffer_length(&archive), "new/directory", "files", "0") == 0);
  CHECK(has("new/directory/bin/tool", "new", 04755) && stat("new/directory/bin", &st) == 0 && (st.st_mode & 07777) == 0700);
  buffer_free(&archive);
}

static void one_file_has_the_name_of_the_target(void) {
  struct buffer archive = {0};
  struct stat st;
  add(&archive, "3/name", S_IFREG | 0640, "one");
  CHECK(place(&archive, buffer_length(&archive), "one/renamed", "file", "7:8") == 0);
  CHECK(has("one/renamed", "one", 0640) && stat("one", &st) == 0 && st.st_uid == 0);
  CHECK(place(&archive, buffer_length(&archive), "one", "file", "0") == 0 && has("one/name", "one", 0640));
  CHECK(place(&archive, buffer_length(&archive), "one/made", "directory", "0") == 0 && has("one/made/name", "one", 0640));
  buffer_free(&archive);
}

static void what_is_wrong_is_refused(void) {
  struct buffer archive = {0};
  add(&archive, "3/a", S_IFREG | 0644, "content");
  CHECK(place(&archive, buffer_length(&archive) - 600, "cut", "files", "0") == 1);
  CHECK(place(&archive, 700, "cut", "files", "0") == 1);
  archive.bytes[3] ^= 1;
  CHECK(place(&archive, buffer_length(&archive), "sum", "files", "0") == 1);
  archive.bytes[3] ^= 1;
  CHECK(place(&archive, buffer_length(&archive), "nobody", "files", "no-such-user") == 1);
  CHECK(mkdir("taken", 0755) == 0 && mkdir("taken/a", 0755) == 0);
  CHECK(place(&archive, buffer_length(&archive), "taken", "files", "0") == 1);
  buffer_free(&archive);
  archive = (struct buffer){0};
  add(&archive, "3/../outside", S_IFREG | 0644, "");
  CHECK(place(&archive, buffer_length(&archive), "inside", "files", "0") == 1 && access("outside", F_OK) != 0);
  buffer_free(&archive);
}

int main(void) {
  char directory[] = "/tmp/place-files-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  snprintf(root, sizeof root, "%s", directory);
  trees_are_merged_and_files_replaced();
  one_file_has_the_name_of_the_target();
  what_is_wrong_is_refused();
  CHECK(chdir("/") == 0);
  char *remove[] = {"rm", "-r", directory, NULL};
  execvp("rm", remove);
  return 1;
}
