#define _GNU_SOURCE
#include "init.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices.h"
#include "disk-check.h"
#include "etc-file.h"
#include "kernel-limits.h"
#include "kernel-settings.h"
#include "loopback.h"
#include "names.h"
#include "run-directories.h"
#include "runtime-directory.h"
#include "system-environment.h"

enum { ROOT_WAIT_MS = 10000 };

static void note(const char *what, const char *problem) { dprintf(1, "wrenn-init: %s: %s\n", what, problem); }

/* Nothing can be done without this step: says so on the console and ends the machine (-no-reboot makes that final). */
static _Noreturn void give_up(const char *what) {
  note(what, strerror(errno));
  sync();
  reboot(RB_AUTOBOOT);
  _exit(1);
}

static int is_module(const struct dirent *entry) { return strstr(entry->d_name, ".ko") != NULL; }

static void load_modules(void) {
  struct dirent **modules;
  int count = scandir("/modules", &modules, is_module, alphasort);
  for (int i = 0; i < count; i++) {
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", modules[i]->d_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)) note(path, strerror(errno));
    if (fd >= 0) close(fd);
    free(modules[i]);
  }
  if (count >= 0) free(modules);
}

/* Value of NAME=value on the kernel command line; "" when it is not there. */
static void kernel_option(const char *name, char value[128]) {
  char line[4096] = "";
  int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
  if (fd >= 0) close(fd);
  line[n > 0 ? n : 0] = 0;
  value[0] = 0;
  char *rest = line;
  for (char *word; (word = strsep(&rest, " \n"));) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) == 0 && word[length] == '=') snprintf(value, 128, "%s", word + length + 1);
  }
}

static void mount_root(void) {
  char device[128];
  kernel_option("wrenn.root", device);
  if (!*device) snprintf(device, sizeof device, "/dev/vda");
  for (int waited = 0; access(device, F_OK) && waited < ROOT_WAIT_MS; waited += 5) usleep(5000);
  if (disk_check(device) == DISK_DAMAGED) {
    errno = EUCLEAN;
    give_up("check root file system");
  }
  mkdir("/root-fs", 0755);
  if (mount(device, "/root-fs", "ext4", MS_NOATIME, "")) give_up("mount root file system");
}

/* What the initramfs held is freed, except the running program itself. */
static void switch_root(void) {
  static const char *const kept[] = {"/dev", "/proc", "/sys"};
  unlink("/init");
  disk_check_remove();
  struct dirent **modules;
  int count = scandir("/modules", &modules, is_module, NULL);
  for (int i = 0; i < count; i++) {
    char path[300];
    snprintf(path, sizeof path, "/modules/%s", modules[i]->d_name);
    unlink(path);
    free(modules[i]);
  }
  if (count >= 0) free(modules);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    char target[64];
    snprintf(target, sizeof target, "/root-fs%s", kept[i]);
    mkdir(target, 0755);
    if (mount(kept[i], target, NULL, MS_MOVE, NULL)) give_up(target);
  }
  if (chdir("/root-fs") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) give_up("switch root");
}

/* With exactly this mode, whatever the mask is and was when an image was made. */
static void make_directory(const char *path, mode_t mode) {
  struct stat st;
  if (mkdir(path, mode) && errno != EEXIST) note(path, strerror(errno));
  if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) != mode && chmod(path, mode)) note(path, strerror(errno));
}

/* A kernel without one of them, such as one that tests build, is complete without it. */
static bool is_missing_in_kernel(int problem, bool optional) { return optional && (problem == ENODEV || problem == ENOENT); }

static void mount_rest(void) {
  static const struct {
    const char *type, *target, *options;
    unsigned long flags;
    bool optional;
  } mounts[] = {
      {"tmpfs", "/run", "mode=0755,size=25%", MS_NOSUID | MS_NODEV, false},
      {"devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC, false},
      {"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, false},
      {"mqueue", "/dev/mqueue", "", MS_NOSUID | MS_NODEV | MS_NOEXEC, false},
      {"hugetlbfs", "/dev/hugepages", "", MS_NOSUID | MS_NODEV, true},
      {"cgroup2", "/sys/fs/cgroup", "memory_recursiveprot", MS_NOSUID | MS_NODEV | MS_NOEXEC, false},
      {"securityfs", "/sys/kernel/security", "", MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
      {"debugfs", "/sys/kernel/debug", "mode=700", MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
      {"tracefs", "/sys/kernel/tracing", "mode=700", MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
      {"bpf", "/sys/fs/bpf", "mode=700", MS_NOSUID | MS_NODEV | MS_NOEXEC, true},
  };
  int image_run = open("/run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  devices_complete();
  for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
    /* The kernel makes those below /sys. */
    (void)mkdir(mounts[i].target, 0755);
    if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].options) && !is_missing_in_kernel(errno, mounts[i].optional))
      note(mounts[i].target, strerror(errno));
  }
  int run = open("/run", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  run_directories_copy(image_run, run);
  if (run >= 0) close(run);
  make_directory("/run/lock", 01777);
  make_directory("/run/user", 0755);
  make_directory("/run/wrenn", 0755);
  make_directory("/tmp", 01777);
  make_directory("/var/tmp", 01777);
  /* Debian's installer makes it, its packages do not: fusermount3 reads it. */
  if (symlink("../proc/self/mounts", "/etc/mtab") && errno != EEXIST) note("/etc/mtab", strerror(errno));
}

static void link_up(int s, const char *name) {
  struct ifreq r = {0};
  snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
  if (ioctl(s, SIOCGIFFLAGS, &r) == 0) {
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    (void)ioctl(s, SIOCSIFFLAGS, &r);
  }
}

static void set_address(int s, unsigned long request, struct in_addr address) {
  struct ifreq r = {0};
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = address};
  snprintf(r.ifr_name, sizeof r.ifr_name, "eth0");
  memcpy(&r.ifr_addr, &in, sizeof in);
  if (ioctl(s, request, &r)) note("eth0", strerror(errno));
}

static void configure_network(void) {
  char address[128];
  char gateway[128];
  struct in_addr ip;
  struct in_addr via;
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  link_up(s, "lo");
  kernel_option("wrenn.ip", address);
  kernel_option("wrenn.gateway", gateway);
  char *slash = strchr(address, '/');
  unsigned int bits = slash ? (unsigned int)atoi(slash + 1) : 32;
  if (slash) *slash = 0;
  if (inet_pton(AF_INET, address, &ip) == 1 && bits > 0 && bits <= 32 && if_nametoindex("eth0") != 0) {
    set_address(s, SIOCSIFADDR, ip);
    set_address(s, SIOCSIFNETMASK, (struct in_addr){htonl(UINT32_MAX << (32 - bits))});
    link_up(s, "eth0");
    if (inet_pton(AF_INET, gateway, &via) == 1) {
      struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
      struct sockaddr_in any = {.sin_family = AF_INET};
      struct sockaddr_in hop = {.sin_family = AF_INET, .sin_addr = via};
      memcpy(&route.rt_dst, &any, sizeof any);
      memcpy(&route.rt_genmask, &any, sizeof any);
      memcpy(&route.rt_gateway, &hop, sizeof hop);
      if (ioctl(s, SIOCADDRT, &route)) note("default route", strerror(errno));
    }
  }
  close(s);
}

static void configure_resolver(void) {
  char dns[128];
  char text[160];
  kernel_option("wrenn.dns", dns);
  if (!*dns) return;
  snprintf(text, sizeof text, "nameserver %s\n", dns);
  /* An image may have a link there, to the file of a resolver that does not run here. */
  const char *problem = etc_file_replace("/etc/resolv.conf", text);
  if (problem) note("/etc/resolv.conf", problem);
}

static void warn_on_console(void *context, const char *path, const char *problem) {
  (void)context;
  note(path, problem);
}

/* Until the host has a name for it. */
static void name_machine(void) {
  static const char name[] = "capsule";
  char old[65];
  if (!hostname_set(name, old)) note("hostname", strerror(errno));
  hostname_write(name, old, warn_on_console, NULL);
}

void init_guest(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  (void)mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  (void)mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "");
  int console = open("/dev/console", O_RDWR | O_NOCTTY);
  for (int fd = 0; fd < 3 && console >= 0; fd++) dup2(console, fd);
  if (console > 2) close(console);
  load_modules();
  mount_root();
  switch_root();
  mount_rest();
  kernel_limits_raise(note);
  kernel_settings_apply();
  configure_network();
  configure_resolver();
  open_loopback();
  runtime_directories_use("/run/user");
  runtime_directories_make();
  system_environment_use("/etc");
  name_machine();
  signal(SIGPIPE, SIG_IGN);
  setsid();
}
