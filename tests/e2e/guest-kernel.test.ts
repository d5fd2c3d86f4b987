/* Drawn: the kernel changes with its package only. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { putFile } from "../support/guest-services.ts";
import { pairs, runScript } from "../support/kernel-machine.ts";
import { projectRoot } from "../support/sources.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What a Debian server offers below its programs (docs/reference/guest.md): one capsule serves all rows. */

const USERS = ["root", "user"] as const;
const MEMORY_MIB = 512;

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined, { vcpus: 2, memory_mb: MEMORY_MIB });
  for (const name of ["one_file_fuse.py", "system_calls.py"])
    await putFile(server, id, `/srv/${name}`, await readFile(join(projectRoot, "tests/support/guest", name)));
});
after(() => server.close());

const run = async (script: string, user: string = "root"): Promise<string> =>
  await runScript(server, id, script, { user });

/** A scratch directory with the parts of an overlay mount. */
const OVERLAY =
  "d=$(mktemp -d); mkdir $d/lower $d/upper $d/work $d/merged; echo below > $d/lower/file; mount -t overlay overlay -o lowerdir=$d/lower,upperdir=$d/upper,workdir=$d/work $d/merged; cat $d/merged/file; echo above > $d/merged/file; cat $d/upper/file $d/lower/file; umount $d/merged";

test("no module is loaded before it is used, and the kernel reports no problem", async () => {
  const loaded = (await run("lsmod | awk 'NR > 1 { print $1 }'")).split("\n");
  for (const name of ["fuse", "overlay", "loop", "tun", "veth", "bridge", "wireguard"])
    assert.ok(!loaded.includes(name), name);
  // The machine has no PCI.
  assert.equal(
    await run("dmesg --level=emerg,alert,crit,err | grep -v 'PCI: Fatal: No config space' || true"),
    "",
  );
});

test("the file systems of a Debian server are mounted, with its options", async () => {
  const mounts = await run(
    "awk '{ split($4, o, \",relatime\"); print $2, $3, $4 }' /proc/self/mounts | sort",
  );
  const [types, options] = [new Map<string, string>(), new Map<string, readonly string[]>()];
  for (const [target = "", type = "", given = ""] of mounts.split("\n").map((line) => line.split(" "))) {
    types.set(target, type);
    options.set(target, given.split(","));
  }
  assert.deepEqual(Object.fromEntries(types), {
    "/": "ext4",
    "/dev": "devtmpfs",
    "/dev/hugepages": "hugetlbfs",
    "/dev/mqueue": "mqueue",
    "/dev/pts": "devpts",
    "/dev/shm": "tmpfs",
    "/proc": "proc",
    "/run": "tmpfs",
    "/sys": "sysfs",
    "/sys/fs/bpf": "bpf",
    "/sys/fs/cgroup": "cgroup2",
    "/sys/kernel/debug": "debugfs",
    "/sys/kernel/security": "securityfs",
    "/sys/kernel/tracing": "tracefs",
  });
  for (const [target, wanted] of Object.entries({
    "/dev/pts": ["nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"],
    "/dev/shm": ["nosuid", "nodev"],
    "/proc": ["nosuid", "nodev", "noexec"],
    "/sys": ["nosuid", "nodev", "noexec"],
    "/sys/fs/cgroup": ["memory_recursiveprot"],
  }))
    for (const option of wanted) assert.ok(options.get(target)?.includes(option), `${target}: ${option}`);
});

test("device nodes have the modes, owners and numbers of Debian", async () => {
  const nodes = {
    console: "600 root root 5:1",
    full: "666 root root 1:7",
    fuse: "666 root root a:e5",
    kmsg: "644 root root 1:b",
    "loop-control": "660 root disk a:ed",
    "mapper/control": "600 root root a:ec",
    "net/tun": "666 root root a:c8",
    null: "666 root root 1:3",
    ptmx: "666 root tty 5:2",
    random: "666 root root 1:8",
    tty: "666 root tty 5:0",
    urandom: "666 root root 1:9",
    vda: "660 root disk fe:0",
    zero: "666 root root 1:5",
  };
  const paths = Object.keys(nodes).map((name) => `/dev/${name}`);
  const found = pairs(await run(`stat -c '%n %a %U %G %t:%T' ${paths.join(" ")} | sed 's,^/dev/,,'`));
  assert.deepEqual(found, { ...nodes, vda: found["vda"]?.replace(/\S+$/, "fe:0") });
  const links = await run(
    "for l in fd stdin stdout stderr core rtc; do echo $l $(readlink /dev/$l); done; test -r /etc/mtab",
  );
  assert.deepEqual(pairs(links), {
    core: "/proc/kcore",
    fd: "/proc/self/fd",
    rtc: "rtc0",
    stderr: "/proc/self/fd/2",
    stdin: "/proc/self/fd/0",
    stdout: "/proc/self/fd/1",
  });
  assert.equal(await run("stat -c %a /dev/shm /dev/mqueue /tmp /var/tmp | sort -u"), "1777");
});

test("a terminal's device belongs to its user, in the group tty", async () => {
  const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "stat -c '%a %U %G' $(tty); echo through > /dev/tty"],
    user: "user",
  });
  await terminal.shows("620 user tty");
  await terminal.shows("through");
  await terminal.next("exit");
});

test("users make namespaces of every kind", async () => {
  for (const user of USERS) {
    const all =
      "unshare --map-root-user --mount --pid --fork --net --uts --ipc --cgroup --time --boottime 1000000 --mount-proc sh -c";
    const shown = await run(
      `${all} 'id -u; hostname inner; hostname; ps -o pid= -C sh; ip -br link; cut -d. -f1 /proc/uptime; mount -t tmpfs none /mnt; mount --bind /etc /mnt; ls -d /mnt/passwd'`,
      user,
    );
    assert.match(shown, /^0\ninner\n +1\nlo +DOWN .*\n10\d{5}\n\/mnt\/passwd$/, `${user}: ${shown}`);
  }
  assert.equal(
    await run("unshare --mount --pid --fork --mount-proc sh -c 'echo $$'; chroot / id -u"),
    "1\n0",
  );
});

test("overlays are mounted by root, and by users in their namespaces", async () => {
  assert.equal(await run(OVERLAY), "below\nabove\nbelow");
  const script = OVERLAY.replaceAll("'", String.raw`'\''`);
  assert.equal(await run(`unshare --map-root-user --mount sh -c '${script}'`, "user"), "below\nabove\nbelow");
});

test("an image file is mounted as a loop device", async () => {
  const script =
    "d=$(mktemp -d); truncate -s 8M $d/image; mkfs.ext4 -q $d/image; mount -o loop $d/image $d; findmnt -no FSTYPE $d; losetup --list --noheadings --output BACK-FILE | grep -c image; umount $d; rm -r $d; losetup --all | wc -l";
  assert.equal(await run(script), "ext4\n1\n0");
});

test("a user's FUSE file system is read by ordinary programs", async () => {
  const read = "from a file system in Python";
  assert.equal(await run("mkdir -p /mnt/fuse; python3 /srv/one_file_fuse.py /mnt/fuse"), read);
  assert.equal(
    await run("unshare --map-root-user --mount python3 /srv/one_file_fuse.py /mnt/fuse", "user"),
    read,
  );
});

test("virtual network devices exist: bridges, pairs, tunnels, WireGuard and TUN", async () => {
  const kinds = [
    "bridge",
    "dummy",
    "veth",
    "macvlan link eth0",
    "vlan link eth0 id 5",
    "vxlan id 7 dstport 4789",
    "wireguard",
    "ipip local 127.0.0.1",
  ];
  for (const kind of kinds) {
    const [type = "", ...options] = kind.split(" ");
    const link = options[0] === "link" ? "link eth0" : "";
    const rest = options[0] === "link" ? options.slice(2).join(" ") : options.join(" ");
    await run(
      `ip link add ${link} name probe type ${type} ${rest}; ip link show probe >/dev/null; ip link del probe`,
    );
  }
  await run("ip tuntap add name probe mode tap; ip link del probe");
  const inner =
    "ip link add v0 type veth peer name v1; ip link add b0 type bridge; ip link set v0 master b0; ip tuntap add name t0 mode tun; ip -br link | awk '{ print $1 }' | grep -v @NONE | sort";
  const shown = await run(
    `unshare --map-root-user --net sh -c "${inner.replaceAll("$", String.raw`\$`)}"`,
    "user",
  );
  assert.equal(shown, "b0\nlo\nt0\nv0@v1\nv1@v0");
});

test("packet filters have NAT, state, limits, logs and sets, also in a user's network namespace", async () => {
  const rules = `table inet probe {
    set seen { type ipv4_addr; flags timeout; }
    chain input { type filter hook input priority 0; ct state established accept; tcp dport 22 limit rate 5/minute counter log prefix "probe" reject; }
    chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; }
    chain pre { type nat hook prerouting priority -100; tcp dport 81 redirect to :8081; }
  }`;
  await run(
    `echo '${rules}' | nft -f -; nft list table inet probe | grep -c masquerade; nft delete table inet probe`,
  );
  await run(`echo '${rules}' > /tmp/rules.nft; unshare --map-root-user --net nft -f /tmp/rules.nft`, "user");
  const forwarding =
    "unshare --map-root-user --net sh -c 'sysctl -qw net.ipv4.ip_forward=1; sysctl -n net.ipv4.ip_forward'";
  assert.equal(await run(forwarding, "user"), "1");
  const shaped = "tc qdisc add dev lo root netem delay 1ms; tc qdisc show dev lo; tc qdisc del dev lo root";
  assert.match(await run(shaped), /netem .* delay 1ms/);
});

test("a module is loaded by modprobe, and one that does not exist is an error", async () => {
  assert.equal(
    await run("modprobe nbd; lsmod | grep -c ^nbd; modprobe -r nbd; modprobe ext4; echo built in"),
    "1\nbuilt in",
  );
  assert.equal(
    await run("modprobe snd 2>&1 || true"),
    `modprobe: FATAL: Module snd not found in directory /lib/modules/${await run("uname -r")}`,
  );
  const offered =
    "autofs4 binfmt_misc br_netfilter btrfs cifs dm_crypt dm_mod dm_thin_pool erofs exfat ip_tables ip_vs iptable_nat isofs nfsv4 overlay squashfs tcp_bbr tls vfat xfs xt_MASQUERADE";
  await run(`modprobe --dry-run --all ${offered}`);
});

test("settings of the kernel are those of Debian or what servers need, and root changes them", async () => {
  const settings = {
    "fs.protected_fifos": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_regular": "2",
    "fs.protected_symlinks": "1",
    "kernel.core_uses_pid": "1",
    "kernel.dmesg_restrict": "1",
    "kernel.modprobe": "/sbin/modprobe",
    "kernel.pid_max": "4194304",
    "kernel.unprivileged_bpf_disabled": "2",
    "kernel.unprivileged_userns_clone": "1",
    "kernel.yama.ptrace_scope": "0",
    "net.core.somaxconn": "4096",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "vm.max_map_count": "1048576",
    "vm.overcommit_memory": "0",
    "vm.swappiness": "60",
  };
  const names = Object.keys(settings);
  const shown = await run(`sysctl ${names.join(" ")} | sed 's/ = / /; s/\\t/ /'`, "user");
  assert.deepEqual(pairs(shown), settings);
  const changed =
    "sysctl -qw vm.overcommit_memory=1 net.core.somaxconn=65535; sysctl -n vm.overcommit_memory net.core.somaxconn; sysctl -qw vm.overcommit_memory=0 net.core.somaxconn=4096";
  assert.equal(await run(changed), "1\n65535");
});

test("system calls and kinds of sockets that servers use are there", async () => {
  /** What Debian keeps for root. */
  const privileged = { fanotify_init: "EPERM", bpf: "EPERM", perf_event_open: "EACCES" };
  for (const user of USERS) {
    const results = pairs(await run("python3 /srv/system_calls.py", user));
    const { vsock, ...others } = results;
    assert.equal(vsock, "EAFNOSUPPORT");
    const refused = Object.fromEntries(Object.entries(others).filter(([, result]) => result !== "ok"));
    assert.deepEqual(refused, user === "root" ? {} : privileged, user);
    assert.ok(Object.keys(others).length > 30);
  }
});

test("huge pages are reserved and used", async () => {
  const use =
    "import mmap, os; f = os.open('/dev/hugepages/page', os.O_CREAT | os.O_RDWR); os.ftruncate(f, 2 << 20); m = mmap.mmap(f, 2 << 20); m[0] = 7; print(m[0])";
  const script = `sysctl -qw vm.nr_hugepages=4; python3 -c "${use}"; rm /dev/hugepages/page; sysctl -qw vm.nr_hugepages=0; cat /sys/kernel/mm/transparent_hugepage/enabled`;
  assert.match(await run(script), /^7\n.*madvise/);
});

test("there is no swap; a swap file and zram work", async () => {
  assert.equal(await run("awk 'NR > 1' /proc/swaps"), "");
  const file =
    "cd /root; fallocate -l 16M swap; chmod 600 swap; mkswap swap >/dev/null; swapon swap; swapon --show=TYPE --noheadings; swapoff swap; rm swap";
  assert.equal(await run(file), "file");
  const zram =
    "modprobe zram; echo 16M > /sys/block/zram0/disksize; mkswap /dev/zram0 >/dev/null; swapon /dev/zram0; swapon --show=NAME --noheadings; swapoff /dev/zram0; modprobe -r zram";
  assert.equal(await run(zram), "/dev/zram0");
});

test("a user's program is traced by another, and leaves a core file where that is allowed", async () => {
  const attach =
    "import ctypes, os, subprocess; p = subprocess.Popen(['setsid', 'sleep', '60']); l = ctypes.CDLL(None); print(l.ptrace(16, p.pid, 0, 0)); print(os.WIFSTOPPED(os.waitpid(p.pid, 0x40000000)[1])); l.ptrace(17, p.pid, 0, 0); p.kill()";
  assert.equal(await run(`python3 -c "${attach}"`, "user"), "0\nTrue");
  const core =
    "cd $(mktemp -d); ulimit -c; (ulimit -c unlimited; sh -c 'kill -SEGV $$' 2>/dev/null || true); ls | sed 's/[0-9]*$/PID/'; stat -c %a core.*";
  assert.equal(await run(core, "user"), "0\ncore.PID\n600");
});

test("/proc and the programs that read it show the capsule's own processors, memory and processes", async () => {
  const facts = await run(
    "nproc; cat /sys/devices/system/cpu/{online,possible,present}; grep -c ^processor /proc/cpuinfo; lscpu | awk -F: '/^(CPU\\(s\\)|Off-line)/ { print $2 + 0 }'; free -m | awk '/^Mem/ { print $2 }'; lsblk -ndo NAME,TYPE",
    "user",
  );
  const [processors, online, possible, present, listed, counted, total, disk] = facts.split("\n");
  assert.deepEqual(
    [processors, online, possible, present, listed, counted],
    ["2", "0-1", "0-1", "0-1", "2", "2"],
  );
  assert.ok(Number(total) > MEMORY_MIB * 0.9 && Number(total) < MEMORY_MIB, `${total} MiB`);
  assert.match(disk ?? "", /^vda +disk$/);
  const programs = await run(
    "top -bn1 | sed -n 1,4p; ps -o user=,comm= $$; df --output=source,target / | tail -1; uname -sm; awk '{ print NF }' /proc/loadavg; grep -c ^cpu /proc/stat; grep VmRSS /proc/self/status",
    "user",
  );
  assert.match(programs, /^top - .*\nTasks: .*\n%Cpu\(s\): .*\nMiB Mem : /);
  assert.match(programs, /\nuser +bash\n\/dev\/vda +\/\nLinux x86_64\n5\n3\nVmRSS:\s+\d+ kB$/);
});

test("clocks are the machine's, the hardware clock included, and random numbers never wait", async () => {
  const clocks = await run(
    "cat /sys/devices/system/clocksource/clocksource0/current_clocksource; python3 -c 'import time; print([time.clock_getres(c) <= 1e-9 for c in (0, 1, 4, 7, 11)])'",
  );
  assert.match(clocks, /^(tsc|kvm-clock)\n\[True, True, True, True, True\]$/);
  const read = 'date +%s; date -d "$(hwclock --get --utc)" +%s; date +%s';
  const [earlier = 0, hardware = 0, later = 0] = (await run(read)).split("\n").map(Number);
  // The hardware clock counts whole seconds.
  assert.ok(hardware >= earlier - 1 && hardware <= later + 1, `${earlier}, ${hardware}, ${later}`);
  assert.equal(
    await run("cat /proc/sys/kernel/random/entropy_avail; head -c 65536 /dev/random | wc -c", "user"),
    "256\n65536",
  );
});

test("the uptime goes on through a pause", async () => {
  const uptime = async (): Promise<number> => Number(await run("cut -d' ' -f1 /proc/uptime"));
  const earlier = await uptime();
  assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  const paused = Date.now();
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  const later = await uptime();
  assert.ok(later > earlier && later - earlier < (Date.now() - paused) / 1000 + 60, `${earlier}, ${later}`);
});

test("PID 1 ignores signals that it does not handle, and collects orphans", async () => {
  await run("kill -HUP 1; kill -INT 1; kill -USR1 1; kill -KILL 1; kill -0 1");
  const orphan = await run("(setsid sh -c 'echo $$; exec sleep 0.2' & ) | cat");
  await eventually("the orphan has ended and is collected", async () =>
    (await run(`test -e /proc/${orphan} || echo gone`)) === "gone" ? true : undefined,
  );
  assert.equal(await run("ps -eo stat= | grep -c ^Z || true"), "0");
});

test("root makes control groups with limits", async () => {
  const script = `g=/sys/fs/cgroup/probe; mkdir $g; grep -qw cpuset /sys/fs/cgroup/cgroup.controllers; echo +cpu +cpuset +memory +pids > /sys/fs/cgroup/cgroup.subtree_control
    echo 8M > $g/memory.max; echo 50000 100000 > $g/cpu.max; echo 0 > $g/cpuset.cpus; echo 20 > $g/pids.max
    sh -c "echo \\$\\$ > $g/cgroup.procs; nproc; exec tail /dev/zero" || echo ended $?
    grep -c 'oom_kill [1-9]' $g/memory.events; rmdir $g`;
  assert.equal(await run(script), "1\nended 137\n1");
});

test("control groups that root makes stand still while a restored capsule is prepared", async () => {
  const group = "/sys/fs/cgroup/container";
  const hook = "#!/bin/sh\\ngrep frozen /sys/fs/cgroup/container/cgroup.events > /tmp/seen\\n";
  await run(`mkdir ${group}; setsid sh -c 'echo $$ > ${group}/cgroup.procs; exec sleep 1000' > /dev/null 2>&1 &
    until grep -q 'populated 1' ${group}/cgroup.events; do sleep 0.05; done; grep -q 'frozen 0' ${group}/cgroup.events
    mkdir -p /etc/wrenn/on-restore.d; printf '${hook}' > /etc/wrenn/on-restore.d/look; chmod 755 /etc/wrenn/on-restore.d/look`);
  assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  const seen = `cat /tmp/seen; grep frozen ${group}/cgroup.events; echo 1 > ${group}/cgroup.kill; rm /etc/wrenn/on-restore.d/look`;
  assert.equal(await run(seen), "frozen 1\nfrozen 0");
});

test("programs find the processor that they are built for, 32-bit programs included", async () => {
  const flags = new Set((await run("grep -m1 ^flags /proc/cpuinfo", "user")).split(" "));
  for (const flag of ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"])
    assert.ok(flags.has(flag), `x86-64-v2 has ${flag}`);
  // exit(42) by the system call interface of i386.
  const code = "b801000000bb2a000000cd80";
  const program = `import os, struct
code = bytes.fromhex("${code}")
header = b"\\x7fELF" + bytes([1, 1, 1]) + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
segment = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
open("/tmp/exit42", "wb").write(header + segment + code)
os.chmod("/tmp/exit42", 0o755)`;
  assert.equal(await run(`python3 -c '${program}'; /tmp/exit42 || echo $?`, "user"), "42");
});

test("kernel messages are read by root", async () => {
  assert.match(await run("dmesg | sed -n 1p"), /Linux version/);
  assert.equal(await run("dmesg >/dev/null 2>&1 || echo refused", "user"), "refused");
});
