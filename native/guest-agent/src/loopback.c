#define _GNU_SOURCE
#include "loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* New connections only: conntrack leaves answers to the guest's own connections as they are. */
static const char rules[] = "table ip wrenn_loopback {\n"
                            "  chain from_host {\n"
                            "    type nat hook prerouting priority dstnat; policy accept;\n"
                            "    iifname \"eth0\" meta l4proto tcp dnat to 127.0.0.1\n"
                            "  }\n"
                            "}\n";

/* Without this the kernel takes packets to 127.0.0.0/8 from a device for forged and drops them. */
static int route_loopback(void) {
  int fd = open("/proc/sys/net/ipv4/conf/eth0/route_localnet", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = write(fd, "1", 1);
  close(fd);
  return n == 1 ? 0 : -1;
}

static void run_nft(int input) {
  static char *const arguments[] = {"nft", "-f", "-", NULL};
  static char *const environment[] = {NULL};
  if (dup2(input, 0) == 0) execve("/usr/sbin/nft", arguments, environment);
  _exit(127);
}

static int load_rules(void) {
  int ends[2];
  int status = -1;
  if (pipe2(ends, O_CLOEXEC)) return -1;
  /* Fits into the pipe, so this does not wait for a reader. */
  ssize_t written = write(ends[1], rules, sizeof rules - 1);
  close(ends[1]);
  pid_t child = written == (ssize_t)sizeof rules - 1 ? fork() : -1;
  if (child == 0) run_nft(ends[0]);
  close(ends[0]);
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void open_loopback(void) {
  if (access("/proc/sys/net/ipv4/conf/eth0", F_OK)) return;
  int problem = load_rules();
  if (problem) {
    dprintf(1, "wrenn-init: services on 127.0.0.1 cannot be reached from outside: nft ended with %d\n", problem);
    return;
  }
  if (route_loopback()) dprintf(1, "wrenn-init: route_localnet: %s\n", strerror(errno));
}
