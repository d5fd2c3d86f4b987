import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { librariesOf, listDiskCheck, takeDiskCheck } from "../src/disk-check.ts";

const run = promisify(execFile);
const directory = await mkdtemp(join(tmpdir(), "wrenn-disk-check-"));
after(() => rm(directory, { recursive: true, force: true }));

test("the libraries of a program are those that ldd lists, and the dynamic linker has one name", () => {
  const ldd = [
    "\tlinux-vdso.so.1 (0x00007f4eb8788000)",
    "\tlibe2p.so.2 => /lib/x86_64-linux-gnu/libe2p.so.2 (0x00007f4eb8641000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f4eb878a000)",
    "",
  ].join("\n");
  assert.deepEqual(librariesOf(ldd), [
    { name: "libe2p.so.2", path: "/lib/x86_64-linux-gnu/libe2p.so.2" },
    { name: "ld.so", path: "/lib64/ld-linux-x86-64.so.2" },
  ]);
});

test("the copied check runs with nothing but what was copied", async () => {
  const copy = join(directory, "check");
  await takeDiskCheck(copy, AbortSignal.timeout(30_000));
  const names = new Set((await listDiskCheck(copy)).map(({ name }) => name));
  assert.ok(names.has("e2fsck") && names.has("ld.so") && names.has("libc.so.6"));
  const { stderr } = await run(join(copy, "ld.so"), ["--library-path", copy, join(copy, "e2fsck"), "-V"]);
  assert.match(stderr, /e2fsck \d/);
});
