"""A FUSE file system with one file, `hello`, in terms of the kernel's protocol alone (linux/fuse.h, version 7).

    one_file_fuse.py DIRECTORY

Mounts it on DIRECTORY, which takes root or a mount namespace of one's own, reads the file by an ordinary program, unmounts, and
prints what was read.
"""
import ctypes
import os
import struct
import subprocess
import sys
import threading

LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT = 1, 3, 14, 15, 18, 25, 26
FORGET, BATCH_FORGET, ENOENT, ENOSYS = 2, 42, 2, 38
CONTENT = b"from a file system in Python\n"
ROOT, FILE = 1, 2

libc = ctypes.CDLL(None, use_errno=True)


def attributes(node: int) -> bytes:
    mode, size = (0o040755, 0) if node == ROOT else (0o100444, len(CONTENT))
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(), os.getgid(), 0, 4096, 0)


def reply(operation: int, node: int, body: bytes) -> "bytes | int":
    if operation == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
    if operation == LOOKUP:
        if body.rstrip(b"\0") != b"hello":
            return -ENOENT
        return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if operation == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if operation == OPEN:
        return struct.pack("<QII", 0, 0, 0)
    if operation == READ:
        offset, size = struct.unpack_from("<QI", body, 8)
        return CONTENT[offset : offset + size]
    if operation in (RELEASE, FLUSH):
        return b""
    return -ENOSYS


def serve(device: int) -> None:
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return  # unmounted
        _, operation, unique, node = struct.unpack_from("<IIQQ", request)
        if operation in (FORGET, BATCH_FORGET):
            continue
        answer = reply(operation, node, request[40:])
        error, data = (answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)


def main() -> None:
    directory = sys.argv[1].encode()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    if libc.mount(b"tiny", directory, b"fuse", 0, options) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    threading.Thread(target=serve, args=(device,), daemon=True).start()
    try:
        print(subprocess.run(["cat", directory + b"/hello"], stdout=subprocess.PIPE, check=True).stdout.decode(), end="")
    finally:
        libc.umount2(directory, 2)


main()
