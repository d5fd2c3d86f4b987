#define _GNU_SOURCE
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than some of the headers that this is built with: Linux 6.2, 6.7 and 6.12. */
enum { TRUNCATE = 1 << 14, BIND_TCP = 1, CONNECT_TCP = 2, ABSTRACT_SOCKETS = 1, OTHERS_SIGNALS = 2 };
enum { VERSION_TRUNCATE = 3, VERSION_NETWORK = 4, VERSION_SCOPES = 6 };

/* struct landlock_ruleset_attr of Linux 6.12; older kernels accept zeros past the end of theirs. */
struct ruleset {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

static const uint64_t of_files = LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE;
static const uint64_t of_directories = LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
static const uint64_t nowhere = LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_REMOVE_DIR;

static bool failed(const char *what) {
  dprintf(2, "wrenn-jail: landlock: %s: %s\n", what, strerror(errno));
  return false;
}

/* What does not exist needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t access) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || failed(path);
  struct stat st;
  struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
  if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) rule.allowed_access &= of_files | LANDLOCK_ACCESS_FS_EXECUTE;
  bool ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
  if (!ok) (void)failed(path);
  close(fd);
  return ok;
}

static bool allow_all(int ruleset, const struct options *options, uint64_t known) {
  static const char *const programs[] = {"/usr", "/lib", "/lib64", "/bin"};
  for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
    if (!allow(ruleset, programs[i], LANDLOCK_ACCESS_FS_EXECUTE)) return false;
  if (options->bare && !allow(ruleset, options->program[0], LANDLOCK_ACCESS_FS_EXECUTE)) return false;
  for (size_t i = 0; i < options->writable.count; i++)
    if (!allow(ruleset, options->writable.items[i], of_directories & known)) return false;
  return allow(ruleset, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE);
}

bool confine(const struct options *options) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  /* The kernel was built without it (ENOSYS), or started without it (EOPNOTSUPP). */
  if (version < 1) return true;
  uint64_t known = version < VERSION_TRUNCATE ? ~(uint64_t)TRUNCATE : ~(uint64_t)0;
  struct ruleset handled = {
      .files = (of_directories | nowhere | LANDLOCK_ACCESS_FS_EXECUTE) & known,
      .network = version < VERSION_NETWORK ? 0 : BIND_TCP | CONNECT_TCP,
      .scopes = version < VERSION_SCOPES ? 0 : ABSTRACT_SOCKETS | OTHERS_SIGNALS,
  };
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
  if (ruleset < 0) return failed("rules");
  bool ok = allow_all(ruleset, options, known);
  if (ok && syscall(SYS_landlock_restrict_self, ruleset, 0)) ok = failed("restriction");
  close(ruleset);
  return ok;
}
