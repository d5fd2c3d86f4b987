/*
 * The compiler of filters and both lists: what each rule decides, first by an interpreter of the instructions, which knows the whole
 * outcome, and then by the kernel, for some calls.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter-lists.h"

enum { ALLOWED = 0, KILLED = -1, LISTENED = -2, ANY = 1 << 20 };

static struct sock_filter program[FILTER_LENGTH];

/* The kernel's interpreter of filters, for the instructions that the compiler writes. */
static int run(size_t length, const struct seccomp_data *data) {
  uint32_t value = 0;
  for (size_t at = 0; at < length; at++) {
    const struct sock_filter *step = &program[at];
    switch (step->code) {
      case BPF_LD | BPF_W | BPF_ABS:
        assert(step->k + sizeof value <= sizeof *data && step->k % sizeof value == 0);
        memcpy(&value, (const char *)data + step->k, sizeof value);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        value &= step->k;
        break;
      case BPF_JMP | BPF_JA:
        at += step->k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += value == step->k ? step->jt : step->jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        at += value > step->k ? step->jt : step->jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += value >= step->k ? step->jt : step->jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += value & step->k ? step->jt : step->jf;
        break;
      case BPF_RET | BPF_K:
        if (step->k == SECCOMP_RET_ALLOW) return ALLOWED;
        if (step->k == SECCOMP_RET_KILL_PROCESS) return KILLED;
        if (step->k == SECCOMP_RET_USER_NOTIF) return LISTENED;
        assert((step->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO);
        return (int)(step->k & SECCOMP_RET_DATA);
      default:
        assert(!"an instruction that the compiler does not write");
    }
  }
  assert(!"a filter without an end");
}

struct call {
  long number;
  int emulated;
  int kvm; /* ANY: as under emulation */
  uint64_t arguments[6];
};

#define CALL(name, emulated, ...) {SYS_##name, emulated, ANY, {__VA_ARGS__}}
#define CALLS(name, emulated, kvm, ...) {SYS_##name, emulated, kvm, {__VA_ARGS__}}

static const uint64_t garbage = 0xabcdef0100000000;
static const uint64_t thread = 0x3d0f00;

static void check(const struct filter_list *list, size_t length, const struct call *call, int expected) {
  struct seccomp_data data = {.nr = (int)call->number, .arch = AUDIT_ARCH_X86_64};
  memcpy(data.args, call->arguments, sizeof data.args);
  int outcome = run(length, &data);
  if (outcome == expected) return;
  fprintf(stderr, "%s: call %ld (%#lx, %#lx, %#lx): %d instead of %d\n", list->name, call->number, call->arguments[0], call->arguments[1], call->arguments[2], outcome, expected);
  abort();
}

static void test_rules(void) {
  const struct call calls[] = {
      /* Without conditions. */
      CALL(read, ALLOWED), CALL(write, ALLOWED), CALL(ppoll, ALLOWED), CALL(futex, ALLOWED), CALL(exit_group, ALLOWED), CALL(openat, ALLOWED),
      /* Memory: new code under emulation only. */
      CALL(mmap, ALLOWED, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), CALLS(mmap, ALLOWED, KILLED, 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS),
      CALLS(mmap, ALLOWED, KILLED, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE), CALL(mmap, ALLOWED, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE),
      CALLS(mmap, ALLOWED, KILLED, 0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED), CALLS(mmap, ALLOWED, KILLED, 0, 4096, PROT_READ | garbage, MAP_PRIVATE),
      CALL(mprotect, ALLOWED, 0, 4096, PROT_NONE), CALLS(mprotect, ALLOWED, KILLED, 0, 4096, PROT_READ | PROT_EXEC), CALLS(pkey_mprotect, KILLED, KILLED, 0, 4096, PROT_READ),
      CALL(madvise, ALLOWED, 0, 4096, MADV_DONTNEED), CALL(madvise, EINVAL, 0, 4096, MADV_MERGEABLE), CALL(madvise, ALLOWED, 0, 4096, garbage | MADV_DONTNEED), CALL(process_madvise, KILLED),
      /* Threads, and neither processes nor namespaces. */
      CALL(clone, ALLOWED, thread), CALL(clone, KILLED, thread | garbage), CALL(clone, KILLED, thread | CLONE_NEWUSER), CALL(clone, KILLED, SIGCHLD), CALL(clone, KILLED, CLONE_VM | CLONE_VFORK | SIGCHLD),
      CALL(clone, KILLED, thread & ~(uint64_t)CLONE_THREAD), CALL(clone3, ENOSYS), CALL(fork, KILLED), CALL(vfork, KILLED), CALL(execve, KILLED), CALL(execveat, KILLED), CALL(unshare, KILLED),
      CALL(setns, KILLED), CALL(arch_prctl, ALLOWED, ARCH_SET_FS), CALL(arch_prctl, EINVAL, ARCH_SET_GS), CALL(arch_prctl, EINVAL, 0x3001), CALLS(arch_prctl, EINVAL, ALLOWED, 0x1025),
      /* Signals: only to itself. */
      CALL(tgkill, ALLOWED, 1, 6, SIGUSR1), CALL(tgkill, KILLED, 2, 6, SIGUSR1), CALL(kill, KILLED, 1, SIGTERM), CALL(tkill, KILLED, 1, SIGTERM), CALL(rt_sigqueueinfo, KILLED),
      CALLS(rt_sigtimedwait, KILLED, ALLOWED), CALL(pidfd_send_signal, KILLED),
      /* Sockets of one family and type. */
      CALL(socket, ALLOWED, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), CALL(socket, KILLED, AF_UNIX, SOCK_DGRAM), CALL(socket, KILLED, AF_INET, SOCK_STREAM),
      CALL(socket, KILLED, AF_NETLINK, SOCK_RAW), CALL(socket, KILLED, AF_PACKET, SOCK_RAW), CALL(socket, KILLED, AF_ALG, SOCK_SEQPACKET), CALL(socket, KILLED, AF_VSOCK, SOCK_STREAM),
      CALL(socketpair, KILLED, AF_UNIX, SOCK_STREAM), CALL(setsockopt, ALLOWED, 5, SOL_SOCKET, 60), CALL(setsockopt, ENOPROTOOPT, 5, SOL_SOCKET, SO_ATTACH_FILTER), CALL(setsockopt, ENOPROTOOPT, 5, 6, 60),
      CALL(getsockopt, ALLOWED, 5, SOL_SOCKET, SO_ERROR), CALL(getsockopt, KILLED, 5, 6, 60),
      /* Descriptors. */
      CALL(fcntl, ALLOWED, 5, F_OFD_SETLK), CALL(fcntl, ALLOWED, 5, garbage | F_GETFL), CALL(fcntl, KILLED, 5, F_SETOWN), CALL(fcntl, KILLED, 5, F_NOTIFY), CALL(fcntl, KILLED, 5, F_ADD_SEALS),
      /* Devices by request. */
      CALL(ioctl, ALLOWED, 5, TUNSETIFF), CALL(ioctl, ENOTTY, 5, TUNATTACHFILTER), CALL(ioctl, ENOTTY, 5, TUNSETSTEERINGEBPF), CALL(ioctl, ALLOWED, 5, UFFDIO_REGISTER),
      CALL(ioctl, ALLOWED, 5, (uint32_t)USERFAULTFD_IOC_NEW), CALL(ioctl, ENOTTY, 5, UFFDIO_COPY), CALL(ioctl, ENOTTY, 5, TIOCSTI), CALL(ioctl, ENOTTY, 5, FS_IOC_SETFLAGS),
      CALLS(ioctl, ENOTTY, ALLOWED, 5, KVM_RUN), CALLS(ioctl, ENOTTY, ALLOWED, 5, KVM_CREATE_VM), CALLS(ioctl, ENOTTY, ALLOWED, 5, KVM_CLEAR_DIRTY_LOG), CALL(ioctl, ENOTTY, 5, KVM_CREATE_DEVICE),
      CALL(ioctl, ENOTTY, 5, KVM_SET_NESTED_STATE), CALLS(ioctl, ENOTTY, ALLOWED, 5, garbage | KVM_RUN),
      /* About itself. */
      CALL(prctl, ALLOWED, PR_SET_NAME), CALL(prctl, EINVAL, PR_SET_VMA), CALL(prctl, KILLED, PR_SET_DUMPABLE), CALL(prctl, KILLED, PR_SET_PDEATHSIG), CALL(prctl, KILLED, PR_SET_SECCOMP),
      CALL(prctl, KILLED, PR_SET_MM), CALL(prctl, KILLED, PR_SET_SPECULATION_CTRL), CALL(prlimit64, ALLOWED, 0, RLIMIT_NOFILE, 0, 0x7000), CALL(prlimit64, KILLED, 0, RLIMIT_NOFILE, 0x7000),
      CALL(prlimit64, KILLED, 0, RLIMIT_NOFILE, garbage), CALL(prlimit64, KILLED, 5, RLIMIT_NOFILE, 0), CALL(setrlimit, KILLED),
      /* Its own filters. */
      CALL(seccomp, ALLOWED, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC), CALL(seccomp, EINVAL, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER),
      CALL(seccomp, EINVAL, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW), CALL(seccomp, EINVAL, SECCOMP_SET_MODE_FILTER, garbage), CALL(seccomp, EINVAL, SECCOMP_SET_MODE_STRICT),
      CALL(seccomp, ALLOWED, SECCOMP_GET_ACTION_AVAIL),
      /* Looked for and done without. */
      CALL(io_uring_setup, ENOSYS), CALL(io_uring_enter, KILLED), CALL(io_uring_register, KILLED), CALL(memfd_create, ENOSYS), CALL(userfaultfd, ENOSYS), CALL(openat2, ENOSYS),
      {462, ENOSYS, ANY, {0}},
      /* What an escaped VMM could reach before (findings of the security study). */
      CALL(bpf, KILLED), CALL(perf_event_open, KILLED), CALL(keyctl, KILLED), CALL(add_key, KILLED), CALL(request_key, KILLED), CALL(ptrace, KILLED), CALL(process_vm_readv, KILLED),
      CALL(process_vm_writev, KILLED), CALL(pidfd_getfd, KILLED), CALL(pidfd_open, KILLED), CALL(open_by_handle_at, KILLED), CALL(name_to_handle_at, KILLED), CALL(modify_ldt, KILLED),
      CALL(open_tree, KILLED), CALL(fsopen, KILLED), CALL(move_mount, KILLED), CALL(mount, KILLED), CALL(umount2, KILLED), CALL(pivot_root, KILLED), CALL(chroot, KILLED), CALL(mknod, KILLED),
      CALL(mknodat, KILLED), CALL(fanotify_init, KILLED), CALL(symlink, KILLED), CALL(symlinkat, KILLED), CALL(link, KILLED), CALL(linkat, KILLED), CALL(rename, KILLED), CALL(renameat2, KILLED),
      CALL(chmod, KILLED), CALL(fchmod, KILLED), CALL(chown, KILLED), CALL(setuid, KILLED), CALL(setresuid, KILLED), CALL(kexec_load, KILLED), CALL(init_module, KILLED), CALL(personality, KILLED),
      CALL(shmat, KILLED), CALL(msgget, KILLED), CALL(semget, KILLED), CALL(mlock, KILLED), CALL(mbind, KILLED), CALL(splice, KILLED), CALL(vmsplice, KILLED), CALL(inotify_init1, KILLED),
      /* The newest known, and newer. */
      {FILTER_NEWEST_CALL, KILLED, ANY, {0}}, {FILTER_NEWEST_CALL + 1, ENOSYS, ANY, {0}}, {547, ENOSYS, ANY, {0}}, {0x3fffffff, ENOSYS, ANY, {0}},
      /* The interface of x32, and no number. */
      {0x40000000, KILLED, ANY, {0}}, {0x40000000 | SYS_read, KILLED, ANY, {0}}, {-1, KILLED, ANY, {0}},
  };
  const struct filter_list *const lists[] = {&filter_emulated, &filter_kvm};
  for (size_t which = 0; which < 2; which++) {
    size_t length = filter_compile(lists[which], FILTER_EXEC_KILLED, program);
    assert(length > 0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) check(lists[which], length, &calls[i], which == 0 || calls[i].kvm == ANY ? calls[i].emulated : calls[i].kvm);
    struct seccomp_data other = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};
    assert(run(length, &other) == KILLED);
    printf("%s: %zu instructions\n", lists[which]->name, length);
    length = filter_compile(lists[which], FILTER_EXEC_LISTENER, program);
    check(lists[which], length, &(struct call)CALL(execve, LISTENED), LISTENED);
    check(lists[which], length, &(struct call)CALL(execveat, KILLED), KILLED);
    check(lists[which], length, &(struct call)CALL(read, ALLOWED), ALLOWED);
  }
}

/* The page server makes no file, socket, process or code, and serves pages. */
static void test_page_server(void) {
  static const struct call calls[] = {
      CALL(openat, KILLED), CALL(open, KILLED), CALL(socket, KILLED, AF_UNIX, SOCK_STREAM), CALL(connect, KILLED), CALL(bind, KILLED), CALL(listen, KILLED), CALL(clone, KILLED), CALL(fork, KILLED),
      CALL(execve, KILLED), CALL(ptrace, KILLED), CALL(process_vm_writev, KILLED), CALL(userfaultfd, KILLED), CALL(io_uring_setup, KILLED), CALL(setsockopt, KILLED, 4, SOL_SOCKET, 1),
      CALL(mmap, ALLOWED, 0, 4096, PROT_READ | PROT_WRITE), CALL(mmap, KILLED, 0, 4096, PROT_READ | PROT_EXEC), CALL(mprotect, KILLED, 0, 4096, PROT_EXEC), CALL(ioctl, ALLOWED, 5, UFFDIO_COPY),
      CALL(ioctl, ALLOWED, 5, UFFDIO_ZEROPAGE), CALL(ioctl, ENOTTY, 5, UFFDIO_REGISTER), CALL(ioctl, ENOTTY, 5, TIOCSTI), CALL(prlimit64, ALLOWED, 0, RLIMIT_NOFILE), CALL(prlimit64, KILLED, 1),
      CALL(getsockopt, ALLOWED, 4, SOL_SOCKET, SO_PEERCRED), CALL(getsockopt, KILLED, 4, 6, 1), CALL(fcntl, KILLED, 4, F_DUPFD), CALL(read, ALLOWED), CALL(recvmsg, ALLOWED), CALL(accept4, ALLOWED),
      CALL(tgkill, KILLED, 2, 2, 9), CALL(tgkill, ALLOWED, 1, 1, 6),
  };
  size_t length = filter_compile(&filter_page_server, FILTER_EXEC_KILLED, program);
  assert(length > 0 && filter_find("page-server") == &filter_page_server);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) check(&filter_page_server, length, &calls[i], calls[i].emulated);
  printf("page-server: %zu instructions\n", length);
}

static void test_compiler(void) {
  static const struct filter_rule two[] = {FILTER_FAIL_IF(read, EPERM, IS(0, 1), IS(1, 2)), FILTER_ALLOW_IF(read, IS(0, 1)), FILTER_ALLOW_IF(write, WITHIN(2, 6))};
  static const struct filter_group group = {"reason", two, 3};
  static const struct filter_group *const groups[] = {&group};
  const struct filter_list list = {"two", groups, 1};
  size_t length = filter_compile(&list, FILTER_EXEC_KILLED, program);
  /* The first rule whose conditions all hold decides. */
  check(&list, length, &(struct call)CALL(read, EPERM, 1, 2), EPERM);
  check(&list, length, &(struct call)CALL(read, ALLOWED, 1, 3), ALLOWED);
  check(&list, length, &(struct call)CALL(read, KILLED, 0, 2), KILLED);
  check(&list, length, &(struct call)CALL(write, ALLOWED, 9, 9, garbage | 4), ALLOWED);
  check(&list, length, &(struct call)CALL(write, KILLED, 9, 9, 5), KILLED);
  /* A call with more instructions than a near jump skips. */
  static struct filter_rule many[200];
  for (int i = 0; i < 200; i++) many[i] = (struct filter_rule)FILTER_ALLOW_IF(ioctl, IS(1, 1000 + (uint64_t)i));
  static const struct filter_rule last[] = {FILTER_ALLOW(close)};
  static const struct filter_group long_group = {"reason", many, 200};
  static const struct filter_group last_group = {"reason", last, 1};
  static const struct filter_group *const long_groups[] = {&long_group, &last_group};
  const struct filter_list long_list = {"long", long_groups, 2};
  length = filter_compile(&long_list, FILTER_EXEC_KILLED, program);
  check(&long_list, length, &(struct call)CALL(ioctl, ALLOWED, 5, 1000), ALLOWED);
  check(&long_list, length, &(struct call)CALL(ioctl, ALLOWED, 5, 1199), ALLOWED);
  check(&long_list, length, &(struct call)CALL(ioctl, KILLED, 5, 1200), KILLED);
  check(&long_list, length, &(struct call)CALL(close, ALLOWED, 5), ALLOWED);
  check(&long_list, length, &(struct call)CALL(read, KILLED, 5), KILLED);
  /* More than a filter holds, and a call that no number is. */
  static const struct filter_group *const too_many[] = {&long_group, &long_group};
  assert(filter_compile(&(struct filter_list){"too many", too_many, 2}, FILTER_EXEC_KILLED, program) == 0);
  static const struct filter_rule wrong[] = {{.call = 100000}};
  static const struct filter_group wrong_group = {"reason", wrong, 1};
  static const struct filter_group *const wrong_groups[] = {&wrong_group};
  assert(filter_compile(&(struct filter_list){"wrong", wrong_groups, 1}, FILTER_EXEC_KILLED, program) == 0);
  assert(filter_find("emulated") == &filter_emulated && filter_find("kvm") == &filter_kvm && !filter_find("none") && !filter_find(""));
}

static void *call_forbidden(void *started) {
  while (!__atomic_load_n((int *)started, __ATOMIC_ACQUIRE)) sched_yield();
  (void)syscall(SYS_getppid);
  return NULL;
}

/* The kernel takes the filter, for a thread that exists already too. */
static void test_kernel(void) {
  for (int which = 0; which < 3; which++) {
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
      static const struct rlimit no_core = {0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      int started = 0;
      pthread_t other;
      if (which == 2 && pthread_create(&other, NULL, call_forbidden, &started)) _exit(3);
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_install(&filter_emulated, FILTER_EXEC_KILLED)) _exit(3);
      if (which == 0) _exit(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS && syscall(SYS_getpid) > 0 ? 42 : 1);
      if (which == 1) (void)syscall(SYS_getppid);
      __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
      for (;;) sched_yield();
    }
    int status = 0;
    assert(waitpid(child, &status, 0) == child);
    if (which == 0) assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    else assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
  }
}

int main(void) {
  test_compiler();
  test_rules();
  test_page_server();
  test_kernel();
  puts("filter: all checks passed");
  return 0;
}
