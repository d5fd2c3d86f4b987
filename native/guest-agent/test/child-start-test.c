#define _GNU_SOURCE
#include "../src/child-start.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { REPEATS = 200, TEXT = 4096 };

static const struct user user = {.name = "root", .home = "/", .shell = "/bin/sh"};
static char *environment[] = {"PATH=/nowhere:/usr/bin:/bin", "WORD=from the environment", NULL};

/* Starts a child, reads both of its outputs to their end, and returns its exit code. */
static int run(struct child *child, char text[TEXT]) {
  int output[2];
  size_t length = 0;
  int status;
  CHECK(pipe2(output, O_CLOEXEC) == 0);
  child->user = &user;
  child->environment = environment;
  child->input = child_empty_input();
  child->output = child->errors = output[1];
  pid_t pid = child_start(child, -1);
  CHECK(pid > 0);
  close(output[1]);
  close(child->input);
  for (ssize_t n; (n = read(output[0], text + length, TEXT - 1 - length)) > 0;) length += (size_t)n;
  text[length] = 0;
  close(output[0]);
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int run_shell(const char *script, char text[TEXT]) {
  char copy[TEXT];
  char *arguments[] = {"sh", "-c", copy, NULL};
  struct child child = {.cwd = "/usr", .arguments = arguments, .path = "/nowhere::/etc/passwd:/usr/bin:/bin"};
  CHECK(strlen(script) < sizeof copy);
  strcpy(copy, script);
  return run(&child, text);
}

static void starts_as_described(void) {
  char text[TEXT];
  CHECK(run_shell("echo out; echo err >&2; pwd; echo \"$WORD\"; umask; exit 7", text) == 7);
  CHECK(strcmp(text, "out\nerr\n/usr\nfrom the environment\n0022\n") == 0);
  /* Its own session, no descriptor of the agent, no signal ignored or blocked: make ignores the two of the C library itself. */
  CHECK(run_shell("set -- $(cat /proc/self/stat); [ $6 != 1 ] && ls /proc/self/fd | wc -l; grep -E 'Sig(Ign|Blk)' /proc/self/status | sed s/180000000/000000000/", text) == 0);
  CHECK(strcmp(text, "4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") == 0);
}

static void reports_what_cannot_run(void) {
  char text[TEXT];
  char *missing[] = {"no-such-program", NULL};
  struct child child = {.cwd = "/", .arguments = missing, .path = "/usr/bin:/bin"};
  CHECK(run(&child, text) == 127 && strcmp(text, "no-such-program: not found\n") == 0);
  char *directory[] = {"/usr", NULL};
  child.arguments = directory;
  CHECK(run(&child, text) == 126 && strcmp(text, "/usr: Permission denied\n") == 0);
  child.cwd = "/no/such/directory";
  CHECK(run(&child, text) == 126 && strcmp(text, "/no/such/directory: No such file or directory\n") == 0);
  /* Longer than a path can be: passed over. */
  static char path[8192];
  memset(path, 'x', sizeof path - 6);
  strcpy(path + sizeof path - 6, ":/bin");
  char *found[] = {"true", NULL};
  child = (struct child){.cwd = "/", .arguments = found, .path = path};
  CHECK(run(&child, text) == 0 && *text == 0);
}

static void no_cgroup_no_child(void) {
  char *arguments[] = {"true", NULL};
  struct child child = {.user = &user, .cwd = "/", .arguments = arguments, .environment = environment, .path = "/bin"};
  int not_a_cgroup = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK(child_start(&child, not_a_cgroup) == -1 && errno == EBADF);
  close(not_a_cgroup);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static _Atomic bool over;

static void *busy(void *argument) {
  (void)argument;
  while (!atomic_load(&over)) {
    void *memory = malloc(100000);
    CHECK(memory);
    memset(memory, 1, 100000);
    free(memory);
  }
  return NULL;
}

/* Nothing of the agent is changed, while its other threads go on. */
static void leaves_the_agent_alone(void) {
  char text[TEXT];
  char before[512];
  char after[512];
  pthread_t thread;
  struct sigaction pipe_action;
  mode_t mask = umask(027);
  CHECK(getcwd(before, sizeof before) && pthread_create(&thread, NULL, busy, NULL) == 0);
  for (int i = 0; i < REPEATS; i++) CHECK(run_shell(i % 2 ? "exit 3" : "no-such-program", text) == (i % 2 ? 3 : 127));
  atomic_store(&over, true);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(getcwd(after, sizeof after) && strcmp(before, after) == 0 && umask(mask) == 027);
  CHECK(sigaction(SIGPIPE, NULL, &pipe_action) == 0 && pipe_action.sa_handler == SIG_IGN);
  int score = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
  ssize_t n = read(score, text, TEXT - 1);
  CHECK(n > 0 && close(score) == 0);
  text[n] = 0;
  CHECK(atoi(text) != 100);
}

int main(void) {
  alarm(60);
  signal(SIGUSR1, SIG_IGN);
  child_prepare_signals();
  starts_as_described();
  reports_what_cannot_run();
  no_cgroup_no_child();
  leaves_the_agent_alone();
  return 0;
}
