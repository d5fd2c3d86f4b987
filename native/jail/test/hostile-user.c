/*
 * Somebody who has taken over a VMM and tries to get further: enters the jail of a machine as its user, without rights, and tries what a
 * user can try. Each line of output is one attempt: a word for its kind, what it was aimed at, and how it ended ("done", or the error).
 *
 * hostile-user PID UID ATTEMPT...
 *   walk             creates something in every directory, and opens every file for writing
 *   read PATH        opens a file of the host
 *   connect PATH     connects to a unix socket of the host
 *   tcp IP PORT      connects to an address
 *   signal PID       sends no signal, which asks whether it could
 *   trace PID        attaches as a debugger
 *   rights           everything that would give it more rights
 *   devices          opens every device
 *   race PATH SECRET replaces a name with a link until its standard input ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN_AT_ONCE = 32, CONNECT_MS = 1500, CAPABILITIES = 64 };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void tell(const char *kind, const char *target, bool done) {
  printf("%s\t%s\t%s\n", kind, target, done ? "done" : strerrorname_np(errno));
}

static void enter(const char *pid, uid_t uid) {
  static const char *const names[] = {"mnt", "net", "ipc", "uts", "pid"};
  char path[64];
  int namespaces[5];
  snprintf(path, sizeof path, "/proc/%s/root", pid);
  int root = open(path, O_PATH | O_DIRECTORY);
  if (root < 0) fail(path);
  for (int i = 0; i < 5; i++) {
    snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, names[i]);
    if ((namespaces[i] = open(path, O_RDONLY)) < 0) fail(path);
  }
  for (int i = 0; i < 5; i++)
    if (setns(namespaces[i], 0)) fail("setns");
  if (fchdir(root) || chroot(".") || chdir("/")) fail("chroot");
  syscall(SYS_close_range, 3u, ~0u, 0u);
  /* The process namespace holds for children. */
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) {
    int status = 0;
    waitpid(child, &status, 0);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (unsigned long capability = 0; capability < CAPABILITIES; capability++) (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("drop");
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *info) {
  char inner[4200];
  (void)info;
  if (strncmp(path, "/dev/", 5) == 0) return 0;
  if (type == FTW_D || type == FTW_DNR) {
    snprintf(inner, sizeof inner, "%s/hostile", path);
    if (mkdir(inner, 0700) == 0) tell("mkdir", path, true);
    if (symlink("/etc/shadow", inner) == 0) tell("symlink", path, true);
    int fd = open(inner, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd >= 0) tell("create", path, true);
  } else if (type == FTW_F && S_ISREG(st->st_mode)) {
    int fd = open(path, O_WRONLY);
    if (fd >= 0) tell("write", path, true);
    if (fd >= 0) close(fd);
    if (chmod(path, 0777) == 0) tell("chmod", path, true);
  } else if (type == FTW_F) {
    tell("special", path, true);
  }
  return 0;
}

static void connect_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  tell("connect", path, fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
  if (fd >= 0) close(fd);
}

static void connect_tcp(const char *ip, const char *port) {
  char target[64];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, ip, &address.sin_addr);
  snprintf(target, sizeof target, "%s:%s", ip, port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  bool done = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (!done && errno == EINPROGRESS) {
    struct pollfd waiting = {.fd = fd, .events = POLLOUT};
    int problem = ETIMEDOUT;
    socklen_t size = sizeof problem;
    if (poll(&waiting, 1, CONNECT_MS) > 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    errno = problem;
    done = problem == 0;
  }
  tell("tcp", target, done);
  if (fd >= 0) close(fd);
}

static void gain_rights(void) {
  char handle[64] = {0};
  tell("rights", "setuid", setuid(0) == 0);
  tell("rights", "setgid", setgid(0) == 0);
  tell("rights", "setgroups", setgroups(1, (gid_t[]){0}) == 0);
  tell("rights", "chroot", chroot("/") == 0);
  tell("rights", "mount proc", mount("proc", "/dev", "proc", 0, NULL) == 0);
  tell("rights", "mount tmpfs", mount("tmpfs", "/dev", "tmpfs", 0, NULL) == 0);
  tell("rights", "remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
  tell("rights", "umount", umount2("/dev", MNT_DETACH) == 0);
  tell("rights", "pivot_root", syscall(SYS_pivot_root, ".", ".") == 0);
  tell("rights", "mknod", mknod("/dev/sda", S_IFBLK | 0600, 0x800) == 0);
  tell("rights", "unshare mnt", unshare(CLONE_NEWNS) == 0);
  tell("rights", "open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY) == 0);
  tell("rights", "hostname", sethostname("hostile", 7) == 0);
  tell("rights", "reboot", syscall(SYS_reboot, 0, 0, 0, NULL) == 0);
  tell("rights", "module", syscall(SYS_init_module, handle, sizeof handle, "") == 0);
  tell("rights", "kernel log", syscall(SYS_syslog, 3, handle, sizeof handle) >= 0);
  tell("rights", "raw socket", socket(AF_INET, SOCK_RAW, 1) >= 0);
  tell("rights", "packet socket", socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static int visit_device(const char *path, const struct stat *st, int type, struct FTW *info) {
  (void)info;
  if (type == FTW_F && (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))) {
    int fd = open(path, O_RDWR);
    tell("device", path, fd >= 0);
    if (fd >= 0) close(fd);
  }
  return 0;
}

/* Tells once whether any attempt succeeded. */
static void race(const char *path, const char *secret) {
  char beside[4200];
  char parent[4200];
  bool done = false;
  struct pollfd input = {.fd = 0, .events = POLLIN};
  snprintf(beside, sizeof beside, "%s.link", path);
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
  int problem = 0;
  do {
    if (symlink(secret, beside) == 0 || rename(beside, path) == 0 || unlink(path) == 0 || link(secret, beside) == 0 || mkdir(parent, 0700) == 0) done = true;
    problem = errno;
  } while (!done && poll(&input, 1, 0) == 0);
  errno = problem;
  tell("race", path, done);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  enter(argv[1], (uid_t)atoi(argv[2]));
  for (int i = 3; i < argc; i++) {
    const char *attempt = argv[i];
    if (!strcmp(attempt, "walk")) tell("walk", "/", nftw("/", visit, OPEN_AT_ONCE, FTW_PHYS) == 0);
    else if (!strcmp(attempt, "devices")) nftw("/dev", visit_device, OPEN_AT_ONCE, FTW_PHYS);
    else if (!strcmp(attempt, "rights")) gain_rights();
    else if (i + 1 >= argc) return 2;
    else if (!strcmp(attempt, "read")) tell("read", argv[i + 1], open(argv[i + 1], O_RDONLY) >= 0), i++;
    else if (!strcmp(attempt, "connect")) connect_unix(argv[++i]);
    else if (!strcmp(attempt, "signal")) tell("signal", argv[i + 1], kill((pid_t)atoi(argv[i + 1]), 0) == 0), i++;
    else if (!strcmp(attempt, "trace")) tell("trace", argv[i + 1], ptrace(PTRACE_SEIZE, (pid_t)atoi(argv[i + 1]), NULL, NULL) == 0), i++;
    else if (i + 2 >= argc) return 2;
    else if (!strcmp(attempt, "tcp")) connect_tcp(argv[i + 1], argv[i + 2]), i += 2;
    else if (!strcmp(attempt, "race")) race(argv[i + 1], argv[i + 2]), i += 2;
    else return 2;
  }
  return 0;
}
