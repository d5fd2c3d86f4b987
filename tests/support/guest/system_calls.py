"""Tries system calls and kinds of sockets, and prints one line for each: its name and `ok` or the error's name."""
import ctypes
import errno
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, number: int, *arguments: object) -> int:
    result = libc.syscall(number, *arguments)
    print(name, "ok" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "unknown"))
    return int(result)


def open_socket(name: str, family: int, kind: int, protocol: int, address: object = None) -> None:
    try:
        with socket.socket(family, kind, protocol) as opened:
            if address is not None:
                opened.bind(address)
        print(name, "ok")
    except OSError as error:
        print(name, errno.errorcode.get(error.errno or 0, "unknown"))


def space(size: int) -> object:
    return ctypes.create_string_buffer(size)


call("io_uring_setup", 425, 4, space(120))
call("memfd_create", 319, b"x", 0)
call("userfaultfd", 323, 1)
call("io_setup", 206, 16, ctypes.byref(ctypes.c_ulong(0)))
call("pidfd_open", 434, os.getpid(), 0)
call("landlock_create_ruleset", 444, None, 0, 1)
call("openat2", 437, -100, b"/etc/passwd", (ctypes.c_uint64 * 3)(0, 0, 0), 24)
call("membarrier", 324, 0, 0)
call("inotify_init1", 294, 0)
call("timerfd_create", 283, 1, 0)
call("signalfd4", 289, -1, space(8), 8, 0)
call("kcmp", 312, os.getpid(), os.getpid(), 0, 0, 0)
call("adjtimex", 159, space(300))
call("mq_open", 240, b"queue-%d" % os.getuid(), 0o102, 0o600, None)
call("mq_unlink", 241, b"queue-%d" % os.getuid())
segment = call("shmget", 29, 0, 1 << 20, 0o1600)
call("shmctl", 31, segment, 0, None)
semaphores = call("semget", 64, 0, 1, 0o1600)
call("semctl", 66, semaphores, 0, 0, 0)
messages = call("msgget", 68, 0, 0o1600)
call("msgctl", 71, messages, 0, None)
call("add_key", 248, b"user", b"name", b"value", 5, -3)
call("seccomp", 317, 2, 0, ctypes.byref(ctypes.c_uint(0x7FFF0000)))
call("mlock", 149, space(4096), 4096)
call("fanotify_init", 300, 0, 0)
call("bpf", 321, 0, (ctypes.c_uint32 * 18)(2, 4, 4, 1), 72)
call("perf_event_open", 298, (ctypes.c_uint32 * 32)(1, 128), 0, -1, -1, 0)
open_socket("netlink", socket.AF_NETLINK, socket.SOCK_RAW, 0)
open_socket("ping", socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
open_socket("ping6", socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
open_socket("sctp", socket.AF_INET, socket.SOCK_STREAM, 132)
open_socket("mptcp", socket.AF_INET, socket.SOCK_STREAM, 262)
open_socket("udplite", socket.AF_INET, socket.SOCK_DGRAM, 136)
open_socket("sha256", socket.AF_ALG, socket.SOCK_SEQPACKET, 0, ("hash", "sha256"))
open_socket("gcm(aes)", socket.AF_ALG, socket.SOCK_SEQPACKET, 0, ("aead", "gcm(aes)"))
open_socket("vsock", 40, socket.SOCK_STREAM, 0)
