/*
 * LD_PRELOAD library for the VMM: makes it a process that is loaded, linked and constructed, and has not begun main. For each
 * request on its socket it forks a process, which builds the jail of a machine and runs main in it. What that saves is the dynamic
 * linker, and what it shares is the memory that the linker and the constructors have written.
 *
 * It acts only where WRENN_ZYGOTE names the program; without it the program runs as usual. It ends when its socket is closed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answers.h"
#include "command-line.h"
#include "forkable.h"
#include "loaded.h"
#include "machine.h"
#include "requests.h"
#include "types.h"

#define EXPORTED __attribute__((visibility("default")))
#define VARIABLE "WRENN_ZYGOTE"

enum { SOCKET = 3, OWN_DESCRIPTORS = 4 };

static struct loaded loaded;
static struct requests requests;
static struct answers answers;
static char **start_argv;

static _Noreturn void give_up(const char *problem) {
  dprintf(2, "wrenn-zygote: %s\n", problem);
  _exit(1);
}

/*
 * Runs before the constructors of all libraries (initfirst in the Makefile): descriptors that the host agent's parents left open are
 * not for machines, and what is open later is theirs. The environment is given, because the C library has not set its own yet.
 */
__attribute__((constructor)) static void close_inherited(int argc, char **argv, char **environment) {
  (void)argc;
  (void)argv;
  for (; *environment; environment++)
    if (!strncmp(*environment, VARIABLE "=", sizeof VARIABLE)) (void)syscall(SYS_close_range, (unsigned)OWN_DESCRIPTORS, ~0u, 0u);
}

static void find_fork_handlers(void) {
  *(void **)&loaded.enable_fork_handlers = dlsym(RTLD_DEFAULT, "rcu_enable_atfork");
  *(void **)&loaded.disable_fork_handlers = dlsym(RTLD_DEFAULT, "rcu_disable_atfork");
  /* QEMU's thread comes with the second fork, which has lost its rights: rights belong to threads. */
  if (loaded.enable_fork_handlers && loaded.disable_fork_handlers)
    loaded.disable_fork_handlers();
  else
    loaded.enable_fork_handlers = loaded.disable_fork_handlers = NULL;
}

static void start_machine(const struct request *request) {
  static const char malformed[] = "wrenn-zygote: malformed request\n";
  static const char no_process[] = "wrenn-zygote: no process\n";
  int pair[2];
  if (!request->text) {
    (void)answer_send(SOCKET, request->id, malformed, sizeof malformed - 1);
    return;
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
    (void)answer_send(SOCKET, request->id, no_process, sizeof no_process - 1);
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    dup2(pair[1], 1);
    dup2(pair[1], 2);
    if (syscall(SYS_close_range, 3u, ~0u, 0u)) _exit(1);
    machine_run(request, &loaded);
  }
  close(pair[1]);
  if (child > 0 && answers_add(&answers, request->id, pair[0])) return;
  (void)answer_send(SOCKET, request->id, no_process, sizeof no_process - 1);
  close(pair[0]);
}

/* Begins again, with other addresses and with what is in the files by now; machines and their supervisors are not touched. */
static _Noreturn void renew(void) {
  if (requests_more(&requests)) give_up("a request came before the renewal");
  execve(loaded.path, start_argv, environ);
  give_up(strerror(errno));
}

static bool receive(void) {
  size_t room = 0;
  char *bytes = requests_room(&requests, &room);
  ssize_t n = read(SOCKET, bytes, room);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  requests_received(&requests, (size_t)n);
  return n > 0;
}

/* Serves until its socket is closed: then the host agent is gone, and machines that have not answered end by themselves. */
static _Noreturn void serve(void) {
  bool renewing = false;
  for (;;) {
    struct pollfd polled[ANSWERS_LIMIT + 1];
    struct request request;
    while (!renewing && answers.count < ANSWERS_LIMIT && requests_next(&requests, &request)) {
      if (request.text && request.length == 0)
        renewing = true;
      else
        start_machine(&request);
    }
    if (renewing && answers.count == 0) renew();
    answers_poll(&answers, polled);
    bool listens = !renewing && answers.count < ANSWERS_LIMIT;
    polled[answers.count] = (struct pollfd){.fd = SOCKET, .events = listens ? POLLIN : 0};
    size_t awaited = answers.count;
    if (poll(polled, awaited + 1, -1) < 0 && errno != EINTR) give_up(strerror(errno));
    if (!answers_collect(&answers, polled, SOCKET)) _exit(0);
    if (polled[awaited].revents & POLLIN ? !receive() : polled[awaited].revents) _exit(0);
  }
}

static int zygote_main(int argc, char **argv, char **environment) {
  static const char ready[] = "ready\n";
  loaded.path = getenv(VARIABLE);
  if (!loaded.path) return loaded.main(argc, argv, environment);
  start_argv = argv;
  command_line_find(argv, environment);
  command_line_name("wrenn-zygote");
  find_fork_handlers();
  if (!types_prepare()) give_up("this QEMU registers its types in another way");
  const char *problem = forkable_problem(OWN_DESCRIPTORS, loaded.disable_fork_handlers != NULL);
  if (problem) give_up(problem);
  /* Supervisors that end are nobody's concern here. */
  signal(SIGCHLD, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  if (!answer_send(SOCKET, 0, ready, sizeof ready - 1)) _exit(0);
  serve();
}

typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

EXPORTED start_function __libc_start_main;
EXPORTED int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
  start_function *start;
  *(void **)&start = dlsym(RTLD_NEXT, "__libc_start_main");
  if (!start) give_up("no C library");
  loaded.main = main;
  return start(zygote_main, argc, argv, init, fini, rtld_fini, stack_end);
}
