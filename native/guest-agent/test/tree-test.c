/* Trees: copies that are whole or not there, special files, hard links, depth beyond a path, cancellation. Runs as any user. */
#define _GNU_SOURCE
#include "../src/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { DEEP = 600, ALARM_SECONDS = 20 };

static char root[] = "/tmp/wrenn-tree-test-XXXXXX";

static void shell(const char *command) {
  char *line;
  CHECK(asprintf(&line, "set -e; cd %s; %s", root, command) > 0);
  int status = system(line);
  if (status != 0) fprintf(stderr, "failed: %s\n", command);
  CHECK(status == 0);
  free(line);
}

static struct place place_of(const char *name) {
  char path[200];
  struct place place;
  snprintf(path, sizeof path, "%s/%s", root, name);
  CHECK(place_open(&place, path) == 0);
  return place;
}

typedef int pair_call(const struct place *from, const struct place *to, const struct tree_call *call);

static int replace(const struct place *from, const struct place *to, const struct tree_call *call) { return tree_copy(from, to, (struct tree_options){true, true}, call); }
static int add(const struct place *from, const struct place *to, const struct tree_call *call) { return tree_copy(from, to, (struct tree_options){true, false}, call); }
static int move(const struct place *from, const struct place *to, const struct tree_call *call) { return tree_rename(from, to, true, call); }
static int relocate(const struct place *from, const struct place *to, const struct tree_call *call) { return tree_relocate(from, to, true, call); }

static int run(pair_call *call, const char *from, const char *to) {
  struct place source = place_of(from);
  struct place destination = place_of(to);
  struct tree_call quiet = {0};
  int problem = call(&source, &destination, &quiet);
  place_close(&source);
  place_close(&destination);
  return problem;
}

static int remove_tree(const char *name) {
  struct place place = place_of(name);
  struct tree_call quiet = {0};
  int problem = tree_remove(&place, &quiet);
  place_close(&place);
  return problem;
}

static void copies_keep_content_mode_and_times(void) {
  shell("mkdir -p a/b; echo one >a/one; ln -s nowhere a/link; mkfifo a/fifo; truncate -s 64M a/holes; printf x | dd of=a/holes bs=1 seek=30M conv=notrunc status=none;"
        "chmod 750 a/b; chmod 4711 a/one; touch -d @1000 a/one a/b");
  CHECK(run(add, "a", "copy") == 0);
  shell("test \"$(stat -c '%a %Y' copy/one)\" = '4711 1000'; test \"$(stat -c '%a %Y' copy/b)\" = '750 1000'; test -p copy/fifo; test \"$(readlink copy/link)\" = nowhere;"
        "cmp a/holes copy/holes; test $(stat -c %b copy/holes) -lt 4096; test \"$(ls -A . )\" = \"$(printf 'a\\ncopy')\"");
  CHECK(run(add, "a", "copy") == EEXIST);
}

static void special_files_at_the_destination_are_refused(void) {
  static pair_call *const calls[] = {replace, move, relocate};
  shell("mkfifo p; mkdir into; mkfifo into/one; mkdir of; echo two >of/one; echo keep >of/two");
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) CHECK(run(calls[i], "a/one", "p") == EINVAL);
  CHECK(run(replace, "of", "into") == EINVAL);
  CHECK(run(replace, "a/one", "into") == EISDIR);
  CHECK(run(replace, "a", "of/one") == ENOTDIR);
  CHECK(run(relocate, "of", "into") == ENOTEMPTY);
  shell("test -p p; test \"$(ls -A into)\" = one; test -p into/one");
}

static void the_same_file_and_trees_in_each_other_are_refused(void) {
  static pair_call *const calls[] = {replace, move, relocate};
  shell("mkdir -p in/side; echo x >f; ln f g; ln -s in alias");
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    CHECK(run(calls[i], "f", "f") == EINVAL);
    CHECK(run(calls[i], "f", "g") == EINVAL);
    CHECK(run(calls[i], "in", "in") == EINVAL);
    CHECK(run(calls[i], "in", "in/side/deeper") == EINVAL);
    CHECK(run(calls[i], "in", "alias/side/deeper") == EINVAL);
    CHECK(run(calls[i], "in/side", "in") == EINVAL);
  }
  shell("test \"$(cat f g)\" = \"$(printf 'x\\nx')\"; test \"$(find in | sort | tr '\\n' ' ')\" = 'in in/side '");
}

static void merging_replaces_files_and_keeps_the_rest(void) {
  shell("mkdir -p m/d n/d; echo new >m/d/both; echo new >m/d/only; echo old >n/d/both; echo old >n/d/rest; chmod 700 n/d; ln n/d/both n/other; ln -s rest n/d/link; echo x >m/d/link");
  CHECK(run(replace, "m", "n") == 0);
  shell("test \"$(cat n/d/both n/d/only n/d/rest n/other n/d/link | tr '\\n' ' ')\" = 'new new old old x '; test ! -L n/d/link; test $(stat -c %a n/d) = 700");
}

static void a_merge_that_fails_takes_out_what_it_added(void) {
  /* Names are copied in the order of the directory: more than one is added before the conflict, whichever order that is. */
  shell("mkdir -p from/late to; for i in 1 2 3 4 5 6 7 8; do mkdir -p from/$i/sub; echo $i >from/$i/sub/file; echo $i >from/f$i; done; echo old >to/f3;"
        "mkdir to/conflict; echo file >from/conflict");
  CHECK(run(replace, "from", "to") == EISDIR);
  shell("test \"$(ls -A to | tr '\\n' ' ')\" = 'conflict f3 '");
}

static void hard_links_survive_a_relocation(void) {
  shell("mkdir -p links/sub; echo shared >links/first; ln links/first links/sub/second; ln -s x links/s1; ln links/s1 links/sub/s2; touch -d @5000 links");
  CHECK(run(relocate, "links", "there") == 0);
  shell("test ! -e links; test $(stat -c %i there/first) = $(stat -c %i there/sub/second); test $(stat -c %i there/s1) = $(stat -c %i there/sub/s2); test $(stat -c %Y there) = 5000");
}

static void trees_deeper_than_a_path_are_copied_changed_and_removed(void) {
  char name[] = "aaaaaaaaaaaaaaaaaaaa";
  int fd = open(root, O_PATH | O_DIRECTORY);
  for (int i = 0; i < DEEP; i++) {
    const char *next = i == 0 ? "deep" : name;
    CHECK(mkdirat(fd, next, 0755) == 0);
    int below = openat(fd, next, O_PATH | O_DIRECTORY);
    close(fd);
    fd = below;
  }
  int file = openat(fd, "bottom", O_CREAT | O_WRONLY, 0600);
  CHECK(file >= 0 && linkat(fd, "bottom", fd, "other", 0) == 0);
  close(file);
  close(fd);
  CHECK(run(add, "deep", "deep-copy") == 0);
  CHECK(run(relocate, "deep", "deep-moved") == 0);
  char path[200];
  struct tree_call quiet = {0};
  snprintf(path, sizeof path, "%s/deep-moved", root);
  CHECK(tree_chmod(path, 0700, &quiet) == 0);
  shell("test $(find deep-moved -name other -links 2 -perm 700 | wc -l) = 1; test $(find deep-copy -links 2 -type f | wc -l) = 2");
  CHECK(remove_tree("deep-moved") == 0 && remove_tree("deep-copy") == 0);
  shell("test ! -e deep -a ! -e deep-moved -a ! -e deep-copy");
}

static void a_cancelled_copy_leaves_nothing(void) {
  atomic_bool cancelled = true;
  struct tree_call call = {.cancelled = &cancelled};
  static pair_call *const calls[] = {replace, relocate};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    struct place from = place_of("from");
    struct place to = place_of("cancelled");
    CHECK(calls[i](&from, &to, &call) == ECANCELED);
    place_close(&from);
    place_close(&to);
  }
  struct place file = place_of("a/holes");
  struct place over = place_of("f");
  CHECK(replace(&file, &over, &call) == ECANCELED);
  place_close(&file);
  place_close(&over);
  shell("test ! -e cancelled; test \"$(cat f)\" = x; test -z \"$(find . -name '.wrenn*')\"; test -d from/1/sub");
  struct place from = place_of("from");
  CHECK(tree_remove(&from, &call) == ECANCELED);
  place_close(&from);
}

static void a_file_that_holds_more_than_the_limit_is_not_copied(void) {
  struct stat st;
  struct tree_call call = {.limit = 4};
  struct place from = place_of("limited");
  struct place to = place_of("limited-copy");
  shell("printf 12345 >limited");
  CHECK(add(&from, &to, &call) == EFBIG);
  shell("test ! -e limited-copy; test -z \"$(find . -name '.wrenn*')\"; printf 1234 >limited");
  CHECK(add(&from, &to, &call) == 0);
  shell("cmp limited limited-copy");
  /* Its size is 0 before it is read. */
  struct place status;
  CHECK(place_open(&status, "/proc/self/status") == 0 && fstatat(status.parent, "status", &st, 0) == 0 && st.st_size == 0);
  CHECK(replace(&status, &to, &call) == EFBIG);
  shell("cmp limited limited-copy");
  place_close(&status);
  place_close(&from);
  place_close(&to);
}

static void the_error_names_where_it_happened(void) {
  struct buffer failed = {0};
  struct tree_call call = {.failed = &failed};
  struct place from = place_of("from");
  struct place to = place_of("to");
  CHECK(replace(&from, &to, &call) == EISDIR);
  CHECK(buffer_append(&failed, "", 1));
  CHECK(strcmp((const char *)buffer_data(&failed) + strlen(root), "/to/conflict") == 0);
  buffer_free(&failed);
  place_close(&from);
  place_close(&to);
}

static void what_is_being_made_in_a_tree_is_left_out(void) {
  shell("mkdir half; echo whole >half/whole; echo part >half/.wrenn-copy-0123456789abcdef; echo mine >half/.wrenn-copy");
  CHECK(run(add, "half", "half-copy") == 0);
  shell("test \"$(ls -A half-copy | tr '\\n' ' ')\" = '.wrenn-copy whole '");
}

/* Other programs add and remove while a tree is copied, changed and removed: what vanishes is not an error. */
static void trees_may_change_while_they_are_walked(void) {
  shell("mkdir -p busy/x/y/z");
  pid_t child = fork();
  if (child == 0) {
    char *line;
    if (asprintf(&line, "cd %s/busy; while :; do mkdir -p x/y/z/w; echo 1 >x/y/f; rm -rf x/y; ln -s nowhere x/y; rm x/y; done 2>/dev/null", root) < 0) _exit(1);
    setpgid(0, 0);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(1);
  }
  for (int i = 0; i < 300; i++) {
    char path[200];
    struct tree_call quiet = {0};
    CHECK(run(add, "busy", "snapshot") == 0);
    snprintf(path, sizeof path, "%s/busy", root);
    CHECK(tree_chmod(path, 0755, &quiet) == 0);
    CHECK(remove_tree("snapshot") == 0);
  }
  setpgid(child, child);
  kill(-child, SIGKILL);
  CHECK(waitpid(child, NULL, 0) == child);
}

int main(void) {
  umask(022);
  CHECK(mkdtemp(root) != NULL);
  alarm(ALARM_SECONDS); /* nothing here may block */
  copies_keep_content_mode_and_times();
  special_files_at_the_destination_are_refused();
  the_same_file_and_trees_in_each_other_are_refused();
  merging_replaces_files_and_keeps_the_rest();
  a_merge_that_fails_takes_out_what_it_added();
  hard_links_survive_a_relocation();
  trees_deeper_than_a_path_are_copied_changed_and_removed();
  a_cancelled_copy_leaves_nothing();
  a_file_that_holds_more_than_the_limit_is_not_copied();
  the_error_names_where_it_happened();
  what_is_being_made_in_a_tree_is_left_out();
  trees_may_change_while_they_are_walked();
  struct place whole;
  struct tree_call quiet = {0};
  CHECK(place_open(&whole, root) == 0 && tree_remove(&whole, &quiet) == 0);
  place_close(&whole);
  return 0;
}
