#define _GNU_SOURCE
#include "users.h"

#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "regular-file.h"

enum { LINE_LIMIT = 8192 };

/* The next field of a colon-separated line, cut out in place; NULL at the end. */
static char *next_field(char **rest) { return strsep(rest, ":"); }

static bool parse_number(const char *text, uint32_t *value) {
  char *end;
  if (!text || *text < '0' || *text > '9') return false;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  if (errno || *end || number >= UINT32_MAX) return false;
  *value = (uint32_t)number;
  return true;
}

static bool copy_text(char *to, const char *from) {
  if (!from || strlen(from) >= USER_TEXT) return false;
  memcpy(to, from, strlen(from) + 1);
  return true;
}

bool passwd_parse(const char *line, struct user *user) {
  char copy[LINE_LIMIT];
  if (strlen(line) >= sizeof copy) return false;
  memcpy(copy, line, strlen(line) + 1);
  copy[strcspn(copy, "\n")] = 0;
  char *rest = copy;
  const char *name = next_field(&rest);
  (void)next_field(&rest);
  const char *uid = next_field(&rest);
  const char *gid = next_field(&rest);
  (void)next_field(&rest);
  const char *home = next_field(&rest);
  const char *shell = next_field(&rest);
  if (!name || !*name || !parse_number(uid, &user->uid) || !parse_number(gid, &user->gid)) return false;
  return copy_text(user->name, name) && copy_text(user->home, home && *home ? home : "/") && copy_text(user->shell, shell && *shell ? shell : "/bin/sh");
}

/* Calls `each` for every line until it returns true; overlong lines are skipped whole. */
static bool scan_lines(const char *path, bool (*each)(char *line, void *context), void *context) {
  FILE *file = regular_file_open(path);
  if (!file) return false;
  char line[LINE_LIMIT];
  bool found = false;
  bool skipping = false;
  while (!found && fgets(line, sizeof line, file)) {
    bool whole = strchr(line, '\n') || feof(file);
    if (!skipping && whole) found = each(line, context);
    skipping = !whole;
  }
  fclose(file);
  return found;
}

struct search {
  const char *name;
  uint32_t number;
  bool by_number;
  struct user *user;
};

static bool match_user(char *line, void *context) {
  struct search *search = context;
  struct user candidate = {0};
  if (!passwd_parse(line, &candidate)) return false;
  if (search->by_number ? candidate.uid != search->number : strcmp(candidate.name, search->name) != 0) return false;
  *search->user = candidate;
  return true;
}

static bool collect_group(char *line, void *context) {
  struct user *user = context;
  char *rest = line;
  uint32_t gid;
  line[strcspn(line, "\n")] = 0;
  (void)next_field(&rest);
  (void)next_field(&rest);
  if (!parse_number(next_field(&rest), &gid)) return false;
  for (char *member; (member = strsep(&rest, ","));) {
    if (strcmp(member, user->name) != 0 || gid == user->gid || user->group_count >= USER_GROUPS) continue;
    user->groups[user->group_count++] = gid;
  }
  return false;
}

/* The user of passwd(5) with this name, or with this number; root of its own where the file has none. */
static bool find_account(const char *name, struct user *user) {
  struct search search = {.name = name, .user = user};
  if (scan_lines("/etc/passwd", match_user, &search)) return true;
  search.by_number = parse_number(name, &search.number);
  if (search.by_number && scan_lines("/etc/passwd", match_user, &search)) return true;
  if (strcmp(name, "root") != 0 && !(search.by_number && search.number == 0)) return false;
  /* A guest without a usable /etc/passwd still has its superuser. */
  *user = (struct user){.name = "root", .home = "/root", .shell = "/bin/sh"};
  return true;
}

/* A number that no account has is a user of its own, in root's group and at home in the root directory, as in containers. */
static bool without_account(const char *name, struct user *user) {
  *user = (struct user){.home = "/", .shell = "/bin/sh"};
  return parse_number(name, &user->uid) && copy_text(user->name, name);
}

bool user_find(const char *text, struct user *user) {
  char name[USER_TEXT];
  size_t length = strcspn(text, ":");
  const char *group = text[length] == ':' ? text + length + 1 : "";
  if (length >= sizeof name) return false;
  memcpy(name, text, length);
  name[length] = 0;
  if (!find_account(*name ? name : "root", user) && !without_account(name, user)) return false;
  user->group_count = 0;
  if (*group && !group_find(group, &user->gid) && !parse_number(group, &user->gid)) return false;
  user->groups[user->group_count++] = user->gid;
  /* Who names a group gets that one alone. */
  if (!*group) (void)scan_lines("/etc/group", collect_group, user);
  return true;
}

struct visit {
  bool (*each)(const struct user *user, void *context);
  void *context;
};

static bool visit_user(char *line, void *context) {
  const struct visit *visit = context;
  struct user user = {0};
  return passwd_parse(line, &user) && visit->each(&user, visit->context);
}

void users_visit(bool (*each)(const struct user *user, void *context), void *context) {
  struct visit visit = {each, context};
  (void)scan_lines("/etc/passwd", visit_user, &visit);
}

/* The name looked up last and the file it came from: most entries of a list have the owner of the one before. */
struct last_name {
  struct stat file;
  uint32_t id;
  char text[USER_TEXT];
};

static bool is_unchanged(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Fills in the name if it is the last one of a file that is still the same; what `file` describes is the state looked at. */
static bool is_last(const struct last_name *last, const char *path, uint32_t id, struct stat *file, char text[USER_TEXT]) {
  if (stat(path, file)) memset(file, 0, sizeof *file);
  if (!*last->text || last->id != id || !is_unchanged(&last->file, file)) return false;
  memcpy(text, last->text, USER_TEXT);
  return true;
}

static void remember(struct last_name *last, const struct stat *file, uint32_t id, const char text[USER_TEXT]) {
  last->file = *file;
  last->id = id;
  memcpy(last->text, text, USER_TEXT);
}

void user_name(uid_t uid, char text[USER_TEXT]) {
  static _Thread_local struct last_name last;
  struct stat file;
  struct user user;
  struct search search = {.number = uid, .by_number = true, .user = &user};
  if (is_last(&last, "/etc/passwd", uid, &file, text)) return;
  if (scan_lines("/etc/passwd", match_user, &search))
    memcpy(text, user.name, sizeof user.name);
  else
    snprintf(text, USER_TEXT, "%u", uid);
  remember(&last, &file, uid, text);
}

struct group_search {
  gid_t gid;
  char *text;
};

static bool match_group(char *line, void *context) {
  struct group_search *search = context;
  char *rest = line;
  const char *name = next_field(&rest);
  uint32_t gid;
  line[strcspn(line, "\n")] = 0;
  (void)next_field(&rest);
  const char *number = next_field(&rest);
  return parse_number(number, &gid) && gid == search->gid && copy_text(search->text, name);
}

void group_name(gid_t gid, char text[USER_TEXT]) {
  static _Thread_local struct last_name last;
  struct stat file;
  struct group_search search = {gid, text};
  if (is_last(&last, "/etc/group", gid, &file, text)) return;
  if (!scan_lines("/etc/group", match_group, &search)) snprintf(text, USER_TEXT, "%u", gid);
  remember(&last, &file, gid, text);
}

struct named_group {
  const char *name;
  gid_t *gid;
};

static bool match_group_name(char *line, void *context) {
  struct named_group *search = context;
  char *rest = line;
  line[strcspn(line, "\n")] = 0;
  const char *name = next_field(&rest);
  (void)next_field(&rest);
  return name && strcmp(name, search->name) == 0 && parse_number(next_field(&rest), search->gid);
}

bool group_find(const char *name, gid_t *gid) {
  struct named_group search = {name, gid};
  return scan_lines("/etc/group", match_group_name, &search);
}

bool user_assume(const struct user *user) {
  if (geteuid() != 0) return true; /* test mode: one user is all there is */
  /* The raw call changes this thread only; the library's would change every thread. */
  if (syscall(SYS_setgroups, user->group_count, user->groups)) return false;
  setfsgid(user->gid);
  setfsuid(user->uid);
  /* setfsuid reports the value before; only a second call shows whether the first one worked. */
  return (uid_t)setfsuid(user->uid) == user->uid;
}

void user_restore(void) {
  if (geteuid() != 0) return;
  setfsuid(0);
  setfsgid(0);
  (void)syscall(SYS_setgroups, 0, NULL);
}
