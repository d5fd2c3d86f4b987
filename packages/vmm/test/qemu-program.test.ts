import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { chooseQemu } from "../src/qemu/qemu-program.ts";

const directory = await mkdtemp(join(tmpdir(), "wrenn-qemu-"));
after(() => rm(directory, { recursive: true, force: true }));
const full = { path: "/usr/bin/qemu-system-x86_64", ownFilter: true };

/** A QEMU that only writes down how it was started. */
async function program(name: string, body: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

test("under KVM the small QEMU is used, with its own filter for system calls where it has one", async () => {
  const filters = await program(
    "filters",
    `case "$*" in *"-accel kvm"*"-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"*) exit 0 ;; esac; exit 1`,
  );
  assert.deepEqual(await chooseQemu({ accelerator: "kvm" }, filters), { path: filters, ownFilter: true });
  const refuses = await program(
    "refuses",
    `case "$*" in *spawn=deny*) echo "support is not enabled" >&2; exit 1 ;; esac; exit 0`,
  );
  assert.deepEqual(await chooseQemu({ accelerator: "kvm" }, refuses), { path: refuses, ownFilter: false });
});

test("under KVM the full QEMU is used where the small one is not installed, or does not start", async () => {
  const broken = await program("broken", "exit 1");
  assert.deepEqual(await chooseQemu({ accelerator: "kvm" }, broken), full);
  assert.deepEqual(await chooseQemu({ accelerator: "kvm" }, join(directory, "missing")), full);
});

test("under emulation the full QEMU is used, and the small one, which cannot emulate, is not asked", async () => {
  const works = await program("works", "exit 0");
  assert.deepEqual(await chooseQemu({ accelerator: "tcg" }, works), full);
});
