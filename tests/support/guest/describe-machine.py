"""Prints what programs of a capsule can see of their machine, one JSON object: name of a fact -> list of lines."""

import glob
import json
import os
import re
import stat
import subprocess


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").replace("\0", " ").strip()
    except OSError as error:
        return error.strerror


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def tree(root):
    """Every entry of one file system, without what reading it changes."""
    device = os.lstat(root).st_dev
    lines = []
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if os.lstat(os.path.join(directory, name)).st_dev == device)
        for path in [directory, *(os.path.join(directory, name) for name in sorted(files))]:
            entry = os.lstat(path)
            size = 0 if stat.S_ISDIR(entry.st_mode) else entry.st_size
            owner = f"{entry.st_uid}:{entry.st_gid}"
            times = f"modified {entry.st_mtime_ns} changed {entry.st_ctime_ns}"
            lines.append(f"{path} mode {entry.st_mode:o} owner {owner} links {entry.st_nlink} size {size} inode {entry.st_ino} {times}")
    return lines


def processes():
    lines = []
    for directory in glob.glob("/proc/[0-9]*"):
        status = dict(line.split(":", 1) for line in read(f"{directory}/status").splitlines() if ":" in line)
        command = read(f"{directory}/cmdline")
        # Workers of the kernel come and go, and describe what they do in their names.
        if not status or status["Name"].strip().startswith("kworker"):
            continue
        shown = ["Umask", "Uid", "Gid", "Groups", "Threads", "NoNewPrivs", "Seccomp"]
        shown += ["SigBlk", "SigIgn", "SigCgt", "ShdPnd", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
        facts = " ".join(f"{name} {' '.join(status.get(name, '').split())}" for name in shown)
        group = re.sub(r"/p\d+$", "/p", read(f"{directory}/cgroup"))
        lines.append(f"{status['Name'].strip()} [{command[:60]}] {facts} group {group}")
    return sorted(lines)


def descriptors(pid):
    lines = []
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            lines.append(re.sub(r"\[\d+\]", "[]", os.readlink(path)))
        except OSError:
            continue
    return sorted(lines)


def settings():
    lines = []
    for directory, _, files in os.walk("/proc/sys"):
        for name in sorted(files):
            lines.append(f"{os.path.join(directory, name)} = {read(os.path.join(directory, name))}")
    return lines


def groups():
    lines = []
    for directory, _, files in os.walk("/sys/fs/cgroup"):
        for name in sorted(files):
            path = re.sub(r"/p\d+/", "/p/", os.path.join(directory, name))
            lines += [f"{path} {line}" for line in read(os.path.join(directory, name)).splitlines()]
    return lines


def traffic():
    lines = []
    for path in ["/proc/net/dev", "/proc/net/snmp", "/proc/net/snmp6", "/proc/net/netstat", "/proc/net/sockstat"]:
        lines += [f"{path} {line}" for line in read(path).splitlines()]
    return lines


print(
    json.dumps(
        {
            "environment": sorted(f"{name}={value}" for name, value in os.environ.items()),
            "environment of the agent": read("/proc/1/environ").split(" "),
            "name": [os.uname().nodename, read("/etc/hostname"), *read("/etc/hosts").splitlines()],
            "machine id": [read("/etc/machine-id"), read("/var/lib/dbus/machine-id")],
            "generation": [read("/run/wrenn/generation")],
            "kernel": [read("/proc/version"), read("/proc/cmdline"), *read("/proc/modules").splitlines()],
            "limits": read("/proc/self/limits").splitlines(),
            "mounts": read("/proc/self/mounts").splitlines(),
            "processes": processes(),
            "descriptors of the agent": descriptors(1),
            "settings of the kernel": settings(),
            "groups": groups(),
            "addresses": [*run("ip", "-o", "address"), *run("ip", "route"), *run("ip", "-6", "route"), *run("ip", "neigh")],
            "traffic": traffic(),
            "sockets": [line for path in ["tcp", "tcp6", "udp", "udp6", "unix", "packet"] for line in read(f"/proc/net/{path}").splitlines()],
            "log of the kernel": [re.sub(r"^\[ *[\d.]+\] *", "", line) for line in run("dmesg")],
            "files": [line for root in ["/", "/run", "/tmp", "/dev", "/dev/shm"] for line in tree(root)],
            "random number": [os.urandom(16).hex()],
        }
    )
)
