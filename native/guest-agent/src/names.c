#define _GNU_SOURCE
#include "names.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "etc-file.h"

enum { ID_DIGITS = 32 };

static const char machine_id_path[] = "/etc/machine-id";
/* Where D-Bus has a copy, unless it has a link. */
static const char bus_id_path[] = "/var/lib/dbus/machine-id";

bool hostname_set(const char *hostname, char old[65]) {
  struct utsname name;
  *old = 0;
  if (uname(&name) == 0) memcpy(old, name.nodename, 65);
  return sethostname(hostname, strlen(hostname)) == 0;
}

static void change(const char *path, etc_edit *edit, const char *value, const char *old, names_warning *warn, void *context) {
  const char *problem = etc_file_change(path, edit, value, old);
  if (problem) warn(context, path, problem);
}

void hostname_write(const char *hostname, const char *old, names_warning *warn, void *context) {
  change("/etc/hostname", line_edit, hostname, old, warn, context);
  change("/etc/hosts", hosts_edit, hostname, old, warn, context);
}

/* The id in a regular file; false when it is something else. */
static bool read_id(const char *path, char id[ID_DIGITS]) {
  struct stat st;
  if (lstat(path, &st) || !S_ISREG(st.st_mode)) return false;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, id, ID_DIGITS);
  close(fd);
  return n == ID_DIGITS;
}

void machine_id_write(const char *id, names_warning *warn, void *context) {
  char present[ID_DIGITS];
  char copy[ID_DIGITS];
  bool copied = read_id(machine_id_path, present) && read_id(bus_id_path, copy) && memcmp(present, copy, ID_DIGITS) == 0;
  change(machine_id_path, line_edit, id, "", warn, context);
  if (copied) change(bus_id_path, line_edit, id, "", warn, context);
}
