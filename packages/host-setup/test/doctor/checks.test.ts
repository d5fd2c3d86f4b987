import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Check, CheckStatus } from "../../src/doctor/check.ts";
import { cgroupsCheck } from "../../src/doctor/cgroups.ts";
import { clockCheck } from "../../src/doctor/clock.ts";
import { localhostNamesCheck } from "../../src/doctor/localhost-names.ts";
import { diskCheck } from "../../src/doctor/disk.ts";
import { kernelCheck } from "../../src/doctor/kernel.ts";
import { memoryCheck } from "../../src/doctor/memory.ts";
import { nftablesCheck } from "../../src/doctor/nftables.ts";
import { nodeCheck } from "../../src/doctor/node.ts";
import { packagesCheck } from "../../src/doctor/packages.ts";
import { qemuCheck } from "../../src/doctor/qemu.ts";
import { swapCheck } from "../../src/doctor/swap.ts";
import { tapCheck } from "../../src/doctor/tap.ts";
import { userNamespacesCheck } from "../../src/doctor/user-namespaces.ts";
import { userfaultfdCheck } from "../../src/doctor/userfaultfd.ts";
import { requirements } from "../../src/requirements.ts";
import { describedHost } from "../described-host.ts";
import type { HostDescription } from "../described-host.ts";

interface Case {
  readonly name: string;
  readonly check: Check;
  readonly host: HostDescription;
  readonly status: CheckStatus;
  /** In what was found. */
  readonly found: RegExp;
  /** In the remedy, of which a check in order has none. */
  readonly remedy?: RegExp;
}

const kernel = (release: string): HostDescription => ({ files: { "/proc/sys/kernel/osrelease": release } });
const swaps = (lines: string): HostDescription => ({
  files: { "/proc/swaps": `Filename\tType\tSize\tUsed\tPriority\n${lines}` },
});
const memory = (kib: number): HostDescription => ({
  files: { "/proc/meminfo": `MemTotal: 99999999 kB\nMemAvailable:   ${kib} kB\n` },
});
const qemu = (version: string, machines: string): HostDescription => ({
  commands: {
    "qemu-system-x86_64 --version": { stdout: `QEMU emulator version ${version} (Debian)\n` },
    "qemu-system-x86_64 -M help": { stdout: machines },
  },
});
const installed = requirements.map(({ name }) => `${name} installed`);
const dpkg = (lines: readonly string[]): HostDescription => ({
  commands: { "dpkg-query": { code: 1, stdout: `${lines.join("\n")}\n` } },
});
const v1 = ["cpu,cpuacct", "memory", "pids"].map(
  (name) => `cgroup /sys/fs/cgroup/${name} cgroup rw,${name} 0 0`,
);
const unified = (controllers: string): HostDescription => ({
  files: { "/sys/fs/cgroup/cgroup.controllers": controllers },
});
const cases: readonly Case[] = [
  {
    name: "recent",
    check: kernelCheck,
    host: kernel("6.1.0-30-amd64\n"),
    status: "ok",
    found: /^6\.1\.0-30-amd64$/,
  },
  { name: "oldest that will do", check: kernelCheck, host: kernel("5.10.0"), status: "ok", found: /5\.10/ },
  {
    name: "too old",
    check: kernelCheck,
    host: kernel("5.9.16"),
    status: "fail",
    found: /5\.9/,
    remedy: /5\.10/,
  },
  { name: "no release", check: kernelCheck, host: {}, status: "fail", found: /osrelease/, remedy: /Boot/ },
  {
    name: "with microvm",
    check: qemuCheck,
    host: qemu("7.2.15", "none  x\nmicrovm  microvm (i386)\n"),
    status: "ok",
    found: /7\.2\.15 with microvm/,
  },
  {
    name: "old",
    check: qemuCheck,
    host: qemu("5.2.0", "microvm  x\n"),
    status: "fail",
    found: /5\.2/,
    remedy: /apt-get install/,
  },
  {
    name: "without microvm",
    check: qemuCheck,
    host: qemu("8.0.0", "pc  notmicrovm\n"),
    status: "fail",
    found: /without/,
    remedy: /7\.0/,
  },
  {
    name: "says nonsense",
    check: qemuCheck,
    host: qemu("", ""),
    status: "fail",
    found: /version/,
    remedy: /QEMU/,
  },
  {
    name: "absent",
    check: qemuCheck,
    host: { commands: { qemu: null } },
    status: "fail",
    found: /not installed/,
    remedy: /apt-get/,
  },
  { name: "allowed", check: userNamespacesCheck, host: {}, status: "ok", found: /can be made/ },
  {
    name: "forbidden",
    check: userNamespacesCheck,
    host: {
      commands: {
        "unshare --user": { code: 1, stderr: "unshare: unshare failed: Operation not permitted\n" },
      },
    },
    status: "warn",
    found: /not permitted/,
    remedy: /max_user_namespaces/,
  },
  {
    name: "unified",
    check: cgroupsCheck,
    host: unified("cpuset cpu io memory pids\n"),
    status: "ok",
    found: /^v2/,
  },
  {
    name: "unified without pids",
    check: cgroupsCheck,
    host: unified("cpu memory\n"),
    status: "fail",
    found: /without pids$/,
    remedy: /cgroup2/,
  },
  {
    name: "one per controller",
    check: cgroupsCheck,
    host: { files: { "/proc/self/mounts": v1.join("\n") } },
    status: "ok",
    found: /^v1/,
  },
  {
    name: "none",
    check: cgroupsCheck,
    host: {},
    status: "fail",
    found: /cpu, memory, pids/,
    remedy: /Mount/,
  },
  { name: "works", check: nftablesCheck, host: {}, status: "ok", found: /translation/ },
  {
    name: "kernel without",
    check: nftablesCheck,
    host: {
      commands: {
        "unshare --net nft": { code: 1, stderr: "Error: Could not process rule: No such file\nmore\n" },
      },
    },
    status: "fail",
    found: /^Error: Could not process rule: No such file$/,
    remedy: /nf_conntrack/,
  },
  {
    name: "ordinary user",
    check: nftablesCheck,
    host: { uid: 1000, commands: { unshare: { code: 1, stderr: "not permitted" } } },
    status: "fail",
    found: /permitted/,
    remedy: /root/,
  },
  {
    name: "no unshare",
    check: nftablesCheck,
    host: { commands: { unshare: null } },
    status: "fail",
    found: /unshare/,
    remedy: /util-linux/,
  },
  { name: "works", check: tapCheck, host: {}, status: "ok", found: /can be made/ },
  {
    name: "no device",
    check: tapCheck,
    host: { refused: { "/dev/net/tun": "ENOENT" } },
    status: "fail",
    found: /does not exist/,
    remedy: /modprobe tun/,
  },
  {
    name: "not allowed",
    check: tapCheck,
    host: { refused: { "/dev/net/tun": "EACCES" } },
    status: "fail",
    found: /EACCES/,
    remedy: /root/,
  },
  {
    name: "refused",
    check: tapCheck,
    host: {
      commands: { "unshare --net ip": { code: 1, stderr: "ioctl(TUNSETIFF): Operation not permitted" } },
    },
    status: "fail",
    found: /TUNSETIFF/,
    remedy: /CAP_NET_ADMIN/,
  },
  { name: "device", check: userfaultfdCheck, host: {}, status: "ok", found: /\/dev\/userfaultfd/ },
  {
    name: "setting",
    check: userfaultfdCheck,
    host: {
      uid: 1000,
      refused: { "/dev/userfaultfd": "EACCES" },
      files: { "/proc/sys/vm/unprivileged_userfaultfd": "1\n" },
    },
    status: "ok",
    found: /everybody/,
  },
  {
    name: "root",
    check: userfaultfdCheck,
    host: {
      refused: { "/dev/userfaultfd": "ENOENT" },
      files: { "/proc/sys/vm/unprivileged_userfaultfd": "0\n" },
    },
    status: "ok",
    found: /root/,
  },
  {
    name: "other user",
    check: userfaultfdCheck,
    host: {
      uid: 1000,
      refused: { "/dev/userfaultfd": "EACCES" },
      files: { "/proc/sys/vm/unprivileged_userfaultfd": "0\n" },
    },
    status: "warn",
    found: /not for this user/,
    remedy: /sysctl/,
  },
  {
    name: "kernel without",
    check: userfaultfdCheck,
    host: { refused: { "/dev/userfaultfd": "ENOENT" } },
    status: "warn",
    found: /not in this kernel/,
    remedy: /CONFIG_USERFAULTFD/,
  },
  {
    name: "enough",
    check: diskCheck("/data"),
    host: { freeBytes: 5 * 2 ** 30 },
    status: "ok",
    found: /5\.0 GiB free at \/data/,
  },
  {
    name: "too little",
    check: diskCheck("/data"),
    host: { freeBytes: 5 * 2 ** 30 - 1 },
    status: "fail",
    found: /\/data/,
    remedy: /WRENN_DATA_DIR/,
  },
  { name: "enough", check: memoryCheck, host: memory(2 ** 20), status: "ok", found: /1\.0 GiB/ },
  {
    name: "too little",
    check: memoryCheck,
    host: memory(2 ** 19),
    status: "fail",
    found: /0\.5 GiB/,
    remedy: /1\.0 GiB/,
  },
  { name: "unreadable", check: memoryCheck, host: {}, status: "fail", found: /meminfo/, remedy: /memory/ },
  { name: "off", check: swapCheck, host: swaps(""), status: "ok", found: /^off$/ },
  {
    name: "on",
    check: swapCheck,
    host: swaps("/dev/sda2 partition 1 0 -2\n/swap file 1 0 -3\n"),
    status: "warn",
    found: /^on: \/dev\/sda2, \/swap$/,
    remedy: /swapoff -a/,
  },
  {
    name: "synchronised",
    check: clockCheck,
    host: { commands: { timedatectl: { stdout: "yes\n" } } },
    status: "ok",
    found: /, synchronised$/,
  },
  {
    name: "not synchronised",
    check: clockCheck,
    host: { commands: { timedatectl: { stdout: "no\n" } } },
    status: "warn",
    found: /not sync/,
    remedy: /set-ntp/,
  },
  {
    name: "no systemd",
    check: clockCheck,
    host: { commands: { timedatectl: { code: 1 } } },
    status: "ok",
    found: /unknown/,
  },
  {
    name: "no timedatectl",
    check: clockCheck,
    host: { commands: { timedatectl: null } },
    status: "ok",
    found: /unknown/,
  },
  {
    name: "never set",
    check: clockCheck,
    host: { now: 0 },
    status: "fail",
    found: /^1970/,
    remedy: /date -s/,
  },
  {
    name: "known",
    check: localhostNamesCheck,
    host: { commands: { getent: { stdout: "127.0.0.1       STREAM 8000-cl-check.localhost\n" } } },
    status: "ok",
    found: /lead to this machine/,
  },
  {
    name: "known over IPv6",
    check: localhostNamesCheck,
    host: { commands: { getent: { stdout: "::1             STREAM 8000-cl-check.localhost\n" } } },
    status: "ok",
    found: /lead to this machine/,
  },
  {
    name: "led elsewhere",
    check: localhostNamesCheck,
    host: { commands: { getent: { stdout: "192.0.2.1       STREAM 8000-cl-check.localhost\n" } } },
    status: "warn",
    found: /not found/,
    remedy: /libnss-myhostname/,
  },
  {
    name: "unknown",
    check: localhostNamesCheck,
    host: { commands: { getent: { code: 2 } } },
    status: "warn",
    found: /not found/,
    remedy: /docs\/guides\/ports\.md/,
  },
  {
    name: "no getent",
    check: localhostNamesCheck,
    host: { commands: { getent: null } },
    status: "ok",
    found: /unknown/,
  },
  { name: "own", check: nodeCheck, host: {}, status: "ok", found: /26/ },
  {
    name: "too old",
    check: nodeCheck,
    host: { nodeVersion: "20.19.0" },
    status: "fail",
    found: /20/,
    remedy: /\.\/wrenn/,
  },
  { name: "all", check: packagesCheck, host: dpkg(installed), status: "ok", found: /^all \d+ installed$/ },
  {
    name: "one removed",
    check: packagesCheck,
    host: dpkg([...installed.slice(1), "qemu-system-x86 config-files"]),
    status: "fail",
    found: /^missing: qemu-system-x86 \(/,
    remedy: /recommends qemu-system-x86$/,
  },
  {
    name: "no dpkg",
    check: packagesCheck,
    host: { commands: { "dpkg-query": null } },
    status: "warn",
    found: /neither/,
    remedy: /Debian 12/,
  },
];

suite("doctor's checks", () => {
  for (const { name, check, host, status, found, remedy } of cases) {
    test(`${check.id}, ${name}: ${status}`, async () => {
      const finding = await check.inspect(describedHost(host), new AbortController().signal);
      assert.equal(finding.status, status, finding.found);
      assert.match(finding.found, found);
      if (remedy === undefined) assert.equal(finding.remedy, "");
      else assert.match(finding.remedy, remedy);
    });
  }
});
