/*
 * The groups of system calls that QEMU needs under emulation and under KVM. README.md says how they were found, and how to find them
 * again for another QEMU or C library.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "filter-lists.h"

/* Newer than some of the headers that this is built with. */
enum { CALL_MSEAL = 462, ZERO_COPY = 60 };

/* What a C library gives to clone for a thread: nothing that makes a process or a namespace. */
enum {
  THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};

FILTER_GROUP(filter_files, "Disks, the memory file, firmware and saved state: which files exist is decided by the root directory of the machine.",
             FILTER_ALLOW(read), FILTER_ALLOW(write), FILTER_ALLOW(readv), FILTER_ALLOW(writev), FILTER_ALLOW(pread64), FILTER_ALLOW(pwrite64), FILTER_ALLOW(preadv),
             FILTER_ALLOW(pwritev), FILTER_ALLOW(lseek), FILTER_ALLOW(openat), FILTER_ALLOW(close), FILTER_ALLOW(newfstatat), FILTER_ALLOW(fstat), FILTER_ALLOW(stat),
             FILTER_ALLOW(lstat), FILTER_ALLOW(statx), FILTER_ALLOW(fstatfs), FILTER_ALLOW(statfs), FILTER_ALLOW(access), FILTER_ALLOW(faccessat), FILTER_ALLOW(faccessat2),
             FILTER_ALLOW(readlink), FILTER_ALLOW(ftruncate), FILTER_ALLOW(fallocate), FILTER_ALLOW(fsync), FILTER_ALLOW(fdatasync), FILTER_ALLOW(fadvise64));

FILTER_GROUP(filter_locks, "QEMU locks its images, changes the state of its descriptors, and copies those that it was given.",
             FILTER_ALLOW_IF(fcntl, IS(1, F_OFD_SETLK)), FILTER_ALLOW_IF(fcntl, IS(1, F_OFD_GETLK)), FILTER_ALLOW_IF(fcntl, IS(1, F_GETFL)),
             FILTER_ALLOW_IF(fcntl, IS(1, F_SETFL)), FILTER_ALLOW_IF(fcntl, IS(1, F_GETFD)), FILTER_ALLOW_IF(fcntl, IS(1, F_SETFD)),
             FILTER_ALLOW_IF(fcntl, IS(1, F_DUPFD_CLOEXEC)));

FILTER_GROUP(filter_waiting, "Event loops.", FILTER_ALLOW(poll), FILTER_ALLOW(ppoll), FILTER_ALLOW(eventfd2), FILTER_ALLOW(epoll_create1), FILTER_ALLOW(epoll_ctl),
             FILTER_ALLOW(epoll_wait), FILTER_ALLOW(epoll_pwait));

FILTER_GROUP(filter_memory, "Memory of the process and of the guest.", FILTER_ALLOW(brk), FILTER_ALLOW(munmap), FILTER_ALLOW(mremap));

FILTER_GROUP(filter_advice, "Advice for guest memory and for stacks of threads; QEMU and the C library go on without what an older kernel lacks.",
             FILTER_ALLOW_IF(madvise, IS(2, MADV_DONTNEED)), FILTER_ALLOW_IF(madvise, IS(2, MADV_DONTDUMP)), FILTER_ALLOW_IF(madvise, IS(2, MADV_DONTFORK)),
             FILTER_ALLOW_IF(madvise, IS(2, MADV_HUGEPAGE)), FILTER_ALLOW_IF(madvise, IS(2, MADV_NOHUGEPAGE)), FILTER_ALLOW_IF(madvise, IS(2, MADV_WILLNEED)),
             FILTER_ALLOW_IF(madvise, IS(2, MADV_FREE)), FILTER_FAIL(madvise, EINVAL));

FILTER_GROUP(filter_threads, "Threads, and no processes: of the flags that clone takes, exactly those for a thread. clone3 has them in memory, where no filter sees them.",
             FILTER_ALLOW(futex), FILTER_ALLOW_IF(clone, IS_WIDE(0, THREAD_FLAGS)), FILTER_FAIL(clone3, ENOSYS), FILTER_ALLOW(set_robust_list), FILTER_ALLOW(rseq),
             FILTER_ALLOW(set_tid_address), FILTER_ALLOW(gettid), FILTER_ALLOW(sched_yield), FILTER_ALLOW(sched_getaffinity), FILTER_ALLOW(exit), FILTER_ALLOW(exit_group),
             FILTER_ALLOW_IF(arch_prctl, IS(0, ARCH_SET_FS)), FILTER_FAIL(arch_prctl, EINVAL));

FILTER_GROUP(filter_signals, "Signals between threads of the process: it is process 1 of its namespace, and may signal no other.", FILTER_ALLOW(rt_sigaction),
             FILTER_ALLOW(rt_sigprocmask), FILTER_ALLOW(rt_sigreturn), FILTER_ALLOW(sigaltstack), FILTER_ALLOW(signalfd4), FILTER_ALLOW(restart_syscall), FILTER_ALLOW(getpid),
             FILTER_ALLOW_IF(tgkill, IS(0, 1)));

FILTER_GROUP(filter_time, "Clocks and pauses, where the kernel does not answer without a system call.", FILTER_ALLOW(clock_gettime), FILTER_ALLOW(clock_getres), FILTER_ALLOW(gettimeofday),
             FILTER_ALLOW(time), FILTER_ALLOW(nanosleep), FILTER_ALLOW(clock_nanosleep));

FILTER_GROUP(filter_streams, "The control socket, the guest's channels and the transfer of state. Options: none that carry a program.", FILTER_ALLOW(recvmsg), FILTER_ALLOW(sendmsg),
             FILTER_ALLOW(recvfrom), FILTER_ALLOW(sendto), FILTER_ALLOW(accept4), FILTER_ALLOW(shutdown), FILTER_ALLOW(getsockname), FILTER_ALLOW(getpeername),
             FILTER_ALLOW_IF(getsockopt, IS(1, SOL_SOCKET)), FILTER_ALLOW_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, ZERO_COPY)), FILTER_ALLOW_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
             FILTER_FAIL(setsockopt, ENOPROTOOPT));

FILTER_GROUP(filter_sockets, "QEMU listens again on the sockets that it is given. What it connects to is the page server's socket, which only machines with served memory see.",
             FILTER_ALLOW(listen), FILTER_ALLOW_IF(socket, IS(0, AF_UNIX), MASKED(1, ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM)), FILTER_ALLOW(connect));

FILTER_GROUP(filter_network, "The TAP device of the network slot.", FILTER_ALLOW_IF(ioctl, IS(1, TUNSETIFF)), FILTER_ALLOW_IF(ioctl, IS(1, TUNGETIFF)), FILTER_ALLOW_IF(ioctl, IS(1, TUNGETFEATURES)),
             FILTER_ALLOW_IF(ioctl, IS(1, TUNSETSNDBUF)), FILTER_ALLOW_IF(ioctl, IS(1, TUNSETOFFLOAD)), FILTER_ALLOW_IF(ioctl, IS(1, TUNGETVNETHDRSZ)),
             FILTER_ALLOW_IF(ioctl, IS(1, TUNSETVNETHDRSZ)), FILTER_ALLOW_IF(ioctl, IS(1, TUNSETVNETLE)), FILTER_ALLOW_IF(ioctl, IS(1, TUNSETVNETBE)));

FILTER_GROUP(filter_served_memory, "Missing pages of the guest's memory are registered for the page server. The descriptor comes from a device, which only machines with served memory have.",
             FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)USERFAULTFD_IOC_NEW)), FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)UFFDIO_API)), FILTER_ALLOW_IF(ioctl, IS(1, (uint32_t)UFFDIO_REGISTER)));

FILTER_GROUP(filter_terminal, "The console of the guest is a pipe; that it is no terminal is found out by asking.", FILTER_ALLOW_IF(ioctl, IS(1, TCGETS)), FILTER_ALLOW_IF(ioctl, IS(1, TCSETS)));

FILTER_GROUP(filter_itself, "What the process asks about itself and the size of its host, and its limits, to read only.", FILTER_ALLOW(getrandom), FILTER_ALLOW(uname), FILTER_ALLOW(sysinfo),
             FILTER_ALLOW(getuid), FILTER_ALLOW(geteuid), FILTER_ALLOW(getgid), FILTER_ALLOW(getegid), FILTER_ALLOW_IF(prlimit64, IS(0, 0), IS_WIDE(2, 0)),
             FILTER_ALLOW_IF(prctl, IS(0, PR_SET_NAME)), FILTER_ALLOW_IF(prctl, IS(0, PR_SET_TIMERSLACK)), FILTER_ALLOW_IF(prctl, IS(0, PR_MCE_KILL)),
             FILTER_ALLOW_IF(prctl, IS(0, PR_SET_NO_NEW_PRIVS)), FILTER_FAIL_IF(prctl, EINVAL, IS(0, PR_SET_VMA)), FILTER_FAIL_IF(prctl, EINVAL, IS(0, PR_CAPBSET_READ)));

FILTER_GROUP(filter_own_filter, "QEMU's own filter (-sandbox), which can only take more away. Filters that hand calls to a listener are not for it.",
             FILTER_ALLOW_IF(seccomp, IS(0, SECCOMP_SET_MODE_FILTER), WITHIN_WIDE(1, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC_ESRCH)),
             FILTER_ALLOW_IF(seccomp, IS(0, SECCOMP_GET_ACTION_AVAIL)), FILTER_ALLOW_IF(seccomp, IS(0, SECCOMP_GET_NOTIF_SIZES)), FILTER_FAIL(seccomp, EINVAL));

FILTER_GROUP(filter_probes, "Libraries and QEMU look for these and go on without them: io_uring and memory without a file are large parts of the kernel, and policies for memory belong to the host.",
             FILTER_FAIL(io_uring_setup, ENOSYS), FILTER_FAIL(memfd_create, ENOSYS), FILTER_FAIL(get_mempolicy, ENOSYS), FILTER_FAIL(set_mempolicy, ENOSYS), FILTER_FAIL(openat2, ENOSYS),
             FILTER_FAIL(close_range, ENOSYS), FILTER_FAIL(userfaultfd, ENOSYS), FILTER_FAIL(epoll_pwait2, ENOSYS), FILTER_FAIL(membarrier, ENOSYS), {.call = CALL_MSEAL, .error = ENOSYS});

/* The last group: it decides what no other has. */
FILTER_GROUP(filter_other_requests, "Every other request to a device is answered as by a device that has it not, and reaches none: which requests file systems get depends on the host.",
             FILTER_FAIL(ioctl, ENOTTY));
