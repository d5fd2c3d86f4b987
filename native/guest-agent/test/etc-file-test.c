/* Files that name the machine: one line changes, whatever else is in them, and what is no such file is left alone. */
#define _GNU_SOURCE
#include "../src/etc-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static const char id[] = "cl-0123456789abcdefghijklmno";
static const char other_id[] = "cl-zzzzzzzzzzzzzzzzzzzzzzzzz";

static void edits(etc_edit *edit, const char *before, const char *value, const char *old, const char *after) {
  size_t length;
  char *text = edit(before, strlen(before), value, old, &length);
  CHECK(text);
  if (length != strlen(after) || memcmp(text, after, length) != 0) fprintf(stderr, "got '%s', not '%s'\n", text, after);
  CHECK(length == strlen(after) && memcmp(text, after, length) == 0);
  free(text);
}

static void hosts(void) {
  edits(hosts_edit, "127.0.0.1 localhost\n127.0.1.1 old\n10.0.0.5 db\n", "new", "old", "127.0.0.1 localhost\n127.0.1.1 new\n10.0.0.5 db\n");
  /* Aliases, comments and blanks of a user stay, in the line itself too. */
  edits(hosts_edit, "# mine\n\t127.0.1.1\told.example  old alias # old\n", "new", "old", "# mine\n\t127.0.1.1\told.example  new alias # old\n");
  edits(hosts_edit, "127.0.1.1 alias\n", "new", "old", "127.0.1.1 alias\n127.0.1.1 new\n");
  edits(hosts_edit, "10.0.0.5 old\n", "new", "old", "10.0.0.5 old\n127.0.1.1 new\n");
  edits(hosts_edit, "10.0.0.5 db", "new", "old", "10.0.0.5 db\n127.0.1.1 new\n");
  edits(hosts_edit, "", "new", "old", "127.0.0.1 localhost\n::1 ip6-localhost\n127.0.1.1 new\n");
  edits(hosts_edit, "10.0.0.5 new\n", "new", "old", "10.0.0.5 new\n");
  /* The name of an earlier life counts as ours although the hostname was changed since. */
  char before[80];
  snprintf(before, sizeof before, "127.0.1.1 %s web\n", id);
  edits(hosts_edit, before, "new", "changed-by-a-user", "127.0.1.1 new web\n");
  edits(hosts_edit, "127.0.1.1 old\r\n10.0.0.5 db\r\n", "new", "old", "127.0.1.1 new\r\n10.0.0.5 db\r\n");
  edits(hosts_edit, "127.0.1.10 old\n127.0.1.1 old\n", "new", "old", "127.0.1.10 old\n127.0.1.1 new\n");
  edits(hosts_edit, "#127.0.1.1 old\n", "new", "old", "#127.0.1.1 old\n127.0.1.1 new\n");
}

static void lines(void) {
  edits(line_edit, "old\n", "new", "", "new\n");
  edits(line_edit, "old", "new", "", "new");
  edits(line_edit, "", "new", "", "new\n");
  edits(line_edit, "# ours\n\nold\nrest\n", "new", "", "# ours\n\nnew\nrest\n");
  edits(line_edit, "# nothing", "new", "", "# nothing\nnew\n");
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "we");
  CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void holds(const char *path, const char *text) {
  char read_text[256] = "";
  FILE *file = fopen(path, "re");
  CHECK(file);
  size_t n = fread(read_text, 1, sizeof read_text - 1, file);
  fclose(file);
  CHECK(n == strlen(text) && strcmp(read_text, text) == 0);
}

static void kept_with_owner_mode_and_links(void) {
  struct stat before;
  struct stat after;
  write_file("hosts", "127.0.1.1 old\n10.0.0.5 db\n");
  CHECK(chmod("hosts", 0664) == 0 && link("hosts", "second") == 0 && symlink("hosts", "link") == 0);
  if (geteuid() == 0) CHECK(chown("hosts", 1000, 1001) == 0);
  CHECK(stat("hosts", &before) == 0);
  CHECK(!etc_file_change("link", hosts_edit, "longer-name", "old"));
  holds("second", "127.0.1.1 longer-name\n10.0.0.5 db\n");
  CHECK(!etc_file_change("hosts", hosts_edit, "n", "longer-name"));
  holds("second", "127.0.1.1 n\n10.0.0.5 db\n");
  CHECK(stat("hosts", &after) == 0 && lstat("link", &before) == 0 && S_ISLNK(before.st_mode));
  CHECK(after.st_mode == (S_IFREG | 0664) && after.st_nlink == 2);
  if (geteuid() == 0) CHECK(after.st_uid == 1000 && after.st_gid == 1001);
}

static void made_when_missing(void) {
  CHECK(!etc_file_change("new", line_edit, "name", ""));
  holds("new", "name\n");
}

/* Everything that could make the agent wait or do something else than write a file. */
static void refused(void) {
  CHECK(mkdir("directory", 0755) == 0 && mkfifo("fifo", 0644) == 0 && symlink("nowhere", "dangling") == 0 && symlink("loop", "loop") == 0);
  CHECK(symlink("/dev/zero", "device") == 0 && symlink("fifo", "to-fifo") == 0);
  static const char *const paths[] = {"directory", "fifo", "dangling", "loop", "device", "to-fifo", "hosts/below", "no-directory/file"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) CHECK(etc_file_change(paths[i], line_edit, "name", ""));
  CHECK(access("nowhere", F_OK) && errno == ENOENT);
  int fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  CHECK(fd >= 0 && ftruncate(fd, 1 << 30) == 0 && close(fd) == 0);
  CHECK(strcmp(etc_file_change("large", line_edit, "name", ""), "too large") == 0);
}

static void replaced_as_a_whole(void) {
  CHECK(symlink("/no/such/stub", "resolver") == 0);
  CHECK(!etc_file_replace("resolver", "nameserver 1.2.3.4\n"));
  holds("resolver", "nameserver 1.2.3.4\n");
  CHECK(etc_file_replace("directory", "text"));
  CHECK(access("directory.wrenn", F_OK) && errno == ENOENT);
}

/* Any bytes: nothing is read outside them, and an edit of an edit changes nothing more. */
static void any_bytes(void) {
  static const char alphabet[] = "127.0.1.1 \t\n#oldc-\r";
  unsigned int seed = 1;
  for (int round = 0; round < 20000; round++) {
    char text[64];
    size_t length = (size_t)rand_r(&seed) % sizeof text;
    for (size_t i = 0; i < length; i++) text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
    char *exact = malloc(length + 1);
    CHECK(exact);
    memcpy(exact, text, length);
    size_t once_length;
    size_t twice_length;
    char *once = hosts_edit(exact, length, other_id, "old", &once_length);
    char *twice = hosts_edit(once, once_length, other_id, "old", &twice_length);
    CHECK(once && twice && once_length == twice_length && memcmp(once, twice, once_length) == 0);
    free(exact);
    free(once);
    free(twice);
  }
}

int main(void) {
  char directory[] = "/tmp/wrenn-etc-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  hosts();
  lines();
  kept_with_owner_mode_and_links();
  made_when_missing();
  refused();
  replaced_as_a_whole();
  any_bytes();
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  return system(command);
}
