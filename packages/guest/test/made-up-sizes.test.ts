import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { collectArchive } from "./support/collect-archive.ts";
import { NativeAgent } from "./support/native-agent.ts";

/* Files whose size says nothing about what they hold: those of the kernel. */

const signal = AbortSignal.timeout(120_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-sizes-");
const run = promisify(execFile);
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

const { files } = guestLink;
const content = async (path: string): Promise<string> =>
  Buffer.concat(await Array.fromAsync((await files.read(path, { signal })).bytes)).toString("latin1");

const KERNEL_FILES = [
  "/sys/class/net/lo/mtu",
  "/sys/kernel/mm/transparent_hugepage/enabled",
  "/proc/version",
  "/proc/sys/kernel/hostname",
  "/proc/filesystems",
  "/sys/fs/cgroup/cgroup.controllers",
];

test("files of /sys, /proc and cgroups are read whole, without a size", async () => {
  let seen = 0;
  for (const path of KERNEL_FILES) {
    const own = await readFile(path, "latin1").catch(() => undefined);
    if (own === undefined || own === "") continue;
    seen++;
    assert.equal((await files.read(path, { signal })).size, undefined, path);
    assert.equal(await content(path), own, path);
  }
  assert.ok(seen >= 4);
});

test("an archive of a directory of /sys has the content of its files, and nothing of those that cannot be read", async () => {
  const directory = join(root, "lo");
  await mkdir(directory);
  const archive = await collectArchive(await files.archive("/sys/class/net/lo/", { signal }));
  await archive.extract(directory);
  for (const name of ["mtu", "address", "flags", "statistics/rx_errors"])
    assert.equal(
      await readFile(join(directory, name), "utf8"),
      await readFile(`/sys/class/net/lo/${name}`, "utf8"),
      name,
    );
  // Refused with EINVAL: there is nothing in it.
  assert.ok(!(await readdir(directory)).includes("duplex"));
});

test("archives of /proc/PID and of cgroups are whole", async () => {
  for (const path of [`/proc/${agent.pid}/net/stat`, "/sys/fs/cgroup"]) {
    const names = await readdir(path).catch(() => []);
    if (names.length === 0) continue;
    const archive = await collectArchive(await files.archive(path, { signal }));
    assert.ok((await archive.names()).length > 0, path);
  }
});

test("an archive goes deeper than the longest path", async () => {
  await run("python3", [
    "-c",
    `import os
os.chdir(${JSON.stringify(root)}); os.mkdir("deep"); os.chdir("deep")
for i in range(1000): os.mkdir("a" * 20); os.chdir("a" * 20)
open("bottom", "w").write("bottom")`,
  ]);
  const archive = await collectArchive(await files.archive(join(root, "deep"), { signal }));
  const names = await archive.names();
  assert.equal(names.length, 1001);
  assert.equal(Math.max(...names), 1000 * 21 + "bottom".length);
  await run("rm", ["-rf", join(root, "deep")]);
});
