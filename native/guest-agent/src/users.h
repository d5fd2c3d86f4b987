/*
 * Users and groups of the guest, read from /etc/passwd and /etc/group without the C library's name service,
 * which a static program cannot use. The files belong to the guest: lines are bounded, odd ones are skipped.
 */
#ifndef WRENN_USERS_H
#define WRENN_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { USER_GROUPS = 64, USER_TEXT = 256 };

struct user {
  uid_t uid;
  gid_t gid;
  char name[USER_TEXT];
  char home[USER_TEXT];
  char shell[USER_TEXT];
  gid_t groups[USER_GROUPS];
  size_t group_count;
};

/*
 * Finds a user by `name`, `name:group` or `:group`, each a name or a number in decimal; no name is root. Without a group the user has
 * those of its account, with one that alone. Numbers need no account. False when there is no such user or group.
 */
bool user_find(const char *text, struct user *user);
/* Calls `each` for every user until it returns true; without groups. */
void users_visit(bool (*each)(const struct user *user, void *context), void *context);
/* Name of a uid or gid, or its number in decimal. */
void user_name(uid_t uid, char text[USER_TEXT]);
void group_name(gid_t gid, char text[USER_TEXT]);
/* Finds a group by name. */
bool group_find(const char *name, gid_t *gid);
/* Parses one line of passwd(5); false when it is not one. Exposed for tests and fuzzing. */
bool passwd_parse(const char *line, struct user *user);

/* Takes on a user's rights for file calls of this thread, and drops them again. */
bool user_assume(const struct user *user);
void user_restore(void);

#endif
