/* Lines of passwd(5), whole and broken, and the paths that hang on a user's home. */
#define _GNU_SOURCE
#include "../src/users.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/paths.h"
#include "check.h"

static void whole_lines(void) {
  struct user user = {0};
  CHECK(passwd_parse("wren:x:1000:1001:A Bird,,,:/home/wren:/bin/bash\n", &user));
  CHECK(user.uid == 1000 && user.gid == 1001);
  CHECK(strcmp(user.name, "wren") == 0 && strcmp(user.home, "/home/wren") == 0 && strcmp(user.shell, "/bin/bash") == 0);
  CHECK(passwd_parse("bare:x:0:0:::", &user));
  CHECK(strcmp(user.home, "/") == 0 && strcmp(user.shell, "/bin/sh") == 0);
}

static void broken_lines(void) {
  static const char *const lines[] = {
      "", "\n", "wren", "wren:x", "wren:x:1000", ":x:0:0::/:/bin/sh", "a:x:-1:0::/:/bin/sh", "a:x:4294967295:0::/:/bin/sh", "a:x:1x:0::/:/bin/sh", "a:x:99999999999999999999:0::/:/bin/sh", "+::::::",
  };
  struct user user = {0};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK(!passwd_parse(lines[i], &user));
  char *giant = malloc(20001);
  CHECK(giant);
  memset(giant, 'a', 20000);
  giant[20000] = 0;
  CHECK(!passwd_parse(giant, &user));
  char long_name[400];
  snprintf(long_name, sizeof long_name, "%.*s:x:1:1::/:/bin/sh", USER_TEXT, giant);
  CHECK(!passwd_parse(long_name, &user));
  free(giant);
}

static void resolves(const char *path, const char *expected) {
  struct user user = {.home = "/home/wren"};
  char out[PATH_LIMIT + 1];
  CHECK(path_resolve(&user, path, out));
  CHECK(strcmp(out, expected) == 0);
}

static void paths(void) {
  struct user user = {.home = "/home/wren"};
  char out[PATH_LIMIT + 1];
  char text[PATH_LIMIT + 2];
  resolves("", "/home/wren");
  resolves("~", "/home/wren");
  resolves("~/a", "/home/wren/a");
  resolves("a/b", "/home/wren/a/b");
  resolves("~other", "/home/wren/~other");
  resolves("/etc", "/etc");
  memset(text, 'a', sizeof text);
  text[0] = '/';
  text[PATH_LIMIT] = 0;
  CHECK(path_resolve(&user, text, out) && strlen(out) == PATH_LIMIT);
  text[PATH_LIMIT] = 'a';
  text[PATH_LIMIT + 1] = 0;
  CHECK(!path_resolve(&user, text, out));
  CHECK(!path_resolve(&user, text + 2, out));
}

static void write_file(const char *name, const char *text) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

/* In mounts that this program alone sees: a FIFO in place of passwd(5) is no passwd(5), and nothing waits for its other end. */
static void replaced_files(void) {
  struct user user;
  gid_t gid;
  char directory[] = "/tmp/wrenn-users-XXXXXX";
  if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL)) return;
  CHECK(group_find("root", &gid) && gid == 0 && !group_find("no such group", &gid));
  CHECK(mkdtemp(directory) && chdir(directory) == 0 && mkfifo("fifo", 0644) == 0);
  int fd = open("large", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  CHECK(fd >= 0 && ftruncate(fd, 1 << 30) == 0 && close(fd) == 0);
  alarm(20);
  static const char *const replacements[] = {"fifo", "large", "/dev/zero"};
  for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
    CHECK(mount(replacements[i], "/etc/passwd", NULL, MS_BIND, NULL) == 0);
    CHECK(user_find("root", &user) && user.uid == 0 && !user_find("nobody", &user));
    CHECK(umount("/etc/passwd") == 0);
  }
  CHECK(unlink("fifo") == 0 && unlink("large") == 0 && rmdir(directory) == 0);
}

static void names_follow_their_numbers(void) {
  char text[USER_TEXT];
  for (int i = 0; i < 2; i++) {
    user_name(0, text);
    CHECK(strcmp(text, "root") == 0);
    user_name(3999999999, text);
    CHECK(strcmp(text, "3999999999") == 0);
    user_name(1, text);
    CHECK(strcmp(text, "daemon") == 0);
    group_name(0, text);
    CHECK(strcmp(text, "root") == 0);
    group_name(3999999998, text);
    CHECK(strcmp(text, "3999999998") == 0);
  }
}

/* In mounts that this program alone sees: its own passwd(5) and group(5). */
static void users_with_groups(void) {
  struct user user;
  char directory[] = "/tmp/wrenn-users-XXXXXX";
  if (geteuid() != 0 || unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL)) return;
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  write_file("passwd", "root:x:0:0::/root:/bin/bash\nwren:x:1000:1001::/home/wren:/bin/bash\n");
  write_file("group", "root:x:0:\nwren:x:1001:\nnest:x:50:wren\nsky:x:60:root,wren\n");
  CHECK(mount("passwd", "/etc/passwd", NULL, MS_BIND, NULL) == 0 && mount("group", "/etc/group", NULL, MS_BIND, NULL) == 0);
  CHECK(user_find("wren", &user) && user.gid == 1001 && user.group_count == 3 && user.groups[0] == 1001 && user.groups[1] == 50 && user.groups[2] == 60);
  static const struct {
    const char *text, *name, *home;
    uid_t uid;
    gid_t gid;
  } known[] = {
      {"wren:nest", "wren", "/home/wren", 1000, 50}, {"wren:7", "wren", "/home/wren", 1000, 7}, {"1000:sky", "wren", "/home/wren", 1000, 60}, {":nest", "root", "/root", 0, 50},
      {"4242", "4242", "/", 4242, 0},                {"4242:60", "4242", "/", 4242, 60},        {"4242:nest", "4242", "/", 4242, 50},         {"0:0", "root", "/root", 0, 0},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    CHECK(user_find(known[i].text, &user) && user.uid == known[i].uid && user.gid == known[i].gid);
    CHECK(strcmp(user.name, known[i].name) == 0 && strcmp(user.home, known[i].home) == 0);
    if (user.uid != 0 || user.gid != 0) CHECK(user.group_count == 1 && user.groups[0] == known[i].gid);
  }
  CHECK(user_find("wren:", &user) && user.gid == 1001 && user.group_count == 3);
  static const char *const unknown[] = {"owl", "owl:nest", "wren:owls", "wren:nest:sky", "-1", "4294967295", "wren:4294967295", "42x", "4242:-1"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) CHECK(!user_find(unknown[i], &user));
  CHECK(umount("/etc/group") == 0 && umount("/etc/passwd") == 0);
  CHECK(unlink("passwd") == 0 && unlink("group") == 0 && rmdir(directory) == 0);
}

int main(void) {
  struct user user;
  whole_lines();
  broken_lines();
  paths();
  names_follow_their_numbers();
  CHECK(user_find("", &user) && user.uid == 0);
  CHECK(!user_find("no such user", &user));
  replaced_files();
  users_with_groups();
  return 0;
}
