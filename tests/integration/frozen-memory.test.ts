import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import {
  decodeDiffIndex,
  diffDataOffset,
  directoryFiles,
  findDirtyPages,
  writeDiff,
} from "@wrenn/memory-image";
import type { Machine, RestoreSpec } from "@wrenn/vmm";
import { makeDisk, minimalArtifacts, qemu } from "../support/real-machines.ts";

const uid = 199_002;
const memoryMib = 256;
const page = 4096;
const signal = AbortSignal.timeout(10 * 60_000);

const directory = await mkdtemp("/tmp/wf-");
await chmod(directory, 0o755);
const machines: Machine[] = [];
after(async () => {
  for (const machine of machines) await machine.destroy();
  await rm(directory, { recursive: true, force: true });
});
const hypervisor = await qemu();
const artifacts = await minimalArtifacts();
let count = 0;

type Common = Omit<RestoreSpec, "memoryFile" | "deviceState">;

async function specOn(backing: string): Promise<Common> {
  const id = `frozen-${process.pid}-${count++}`;
  const home = join(directory, id);
  await mkdir(home);
  await chown(home, uid, uid);
  const disk = join(home, "disk.qcow2");
  await makeDisk(disk, uid, backing);
  const readable = [directory, dirname(artifacts.rootfs)];
  return { id, directory: join(home, "run"), vcpus: 1, memoryMib, disk, readable, uid, gid: uid };
}

/** What a machine is restored from. */
interface Frozen {
  readonly memoryFile: string;
  readonly memoryDiff?: string;
  readonly deviceState: string;
  readonly disk: string;
}

async function freezeTemplate(): Promise<Frozen> {
  const spec = await specOn(artifacts.rootfs);
  const memoryFile = join(directory, "base.memory");
  await writeFile(memoryFile, "");
  await chown(memoryFile, uid, uid);
  const { kernel, initramfs } = artifacts;
  const machine = await hypervisor.boot({ ...spec, kernel, initramfs, memoryFile }, signal);
  // How far the guest came matters to none of these tests: its memory is checked from outside.
  await new Promise((resolve) => setTimeout(resolve, 4000));
  await machine.stop(signal);
  const deviceState = join(directory, "base.state");
  await machine.saveDeviceState(deviceState, signal);
  await machine.destroy();
  return { memoryFile, deviceState, disk: spec.disk };
}

async function restore(from: Frozen): Promise<Machine> {
  const { disk, ...files } = from;
  const machine = await hypervisor.restore({ ...(await specOn(disk)), ...files }, signal);
  machines.push(machine);
  return machine;
}

/** Freezes a running machine as a diff against the base; it stays stopped and goes on, if at all, on a new disk. */
async function freeze(machine: Machine, base: Frozen): Promise<Frozen & { readonly memoryDiff: string }> {
  await machine.stop(signal);
  const disk = await machine.activeDisk(signal);
  const name = `${machine.id}-${count++}`;
  const next = join(dirname(disk), `${name}.qcow2`);
  await makeDisk(next, uid, disk);
  await machine.switchDisk(next, signal);
  const deviceState = join(directory, `${name}.state`);
  await machine.saveDeviceState(deviceState, signal);
  const dirty = await findDirtyPages(await machine.memoryRegion(signal), signal);
  const file = await directoryFiles(directory).create(`${name}.diff`);
  await writeDiff(file, systemRandom.uuid(), dirty, signal);
  await file.close();
  const memoryDiff = join(directory, `${name}.diff`);
  // The machine's user reads both; the host agent keeps them in directories that only this user may enter.
  await chmod(memoryDiff, 0o644);
  return { memoryFile: base.memoryFile, memoryDiff, deviceState, disk };
}

async function diffPages(path: string): Promise<Map<number, Buffer>> {
  const bytes = await readFile(path);
  const { pages, zeros } = decodeDiffIndex(bytes, path);
  const data = diffDataOffset(pages.length + zeros.length);
  const found = new Map(
    pages.map((number, at) => [number, bytes.subarray(data + at * page, data + (at + 1) * page)]),
  );
  for (const number of zeros) found.set(number, Buffer.alloc(page));
  return found;
}

/** Of the pages in `expected`, how many the stopped machine holds exactly. */
async function heldBy(machine: Machine, expected: ReadonlyMap<number, Buffer>): Promise<number> {
  const { pid, address } = await machine.memoryRegion(signal);
  const memory = await open(`/proc/${pid}/mem`);
  const bytes = Buffer.alloc(page);
  let held = 0;
  try {
    for (const [number, content] of expected) {
      await memory.read(bytes, 0, page, Number(address) + number * page);
      if (bytes.equals(content)) held += 1;
    }
  } finally {
    await memory.close();
  }
  return held;
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A restored machine runs at once, so that some pages have moved on before it can be looked at; most have not. */
function assertMostly(held: number, all: number, what: string): void {
  assert.ok(all > 20, `${what}: only ${all} pages differ from the base`);
  assert.ok(held > all / 2, `${what}: ${held} of ${all} pages are as they were`);
}

const template = await freezeTemplate();
const templateDigest = await digest(template.memoryFile);

async function runFor(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

test("six cycles of freezing and restoring: each machine has the memory of the one before", async () => {
  let state: Frozen = template;
  for (let cycle = 1; cycle <= 6; cycle++) {
    const machine = await restore(state);
    await runFor(500);
    const frozen = await freeze(machine, template);
    await machine.destroy();
    const expected = await diffPages(frozen.memoryDiff);
    const next = await restore(frozen);
    await next.stop(signal);
    assertMostly(await heldBy(next, expected), expected.size, `cycle ${cycle}`);
    await next.destroy();
    state = frozen;
  }
  assert.equal(await digest(template.memoryFile), templateDigest, "the base is never written");
});

test("a checkpoint lets its source go on; machines from it diverge and change neither base nor diff", async () => {
  const source = await restore(template);
  await runFor(500);
  const checkpoint = await freeze(source, template);
  const before = await digest(checkpoint.memoryDiff);
  const expected = await diffPages(checkpoint.memoryDiff);
  assert.equal(
    await heldBy(source, expected),
    expected.size,
    "a stopped machine holds exactly what was written",
  );
  await source.resume(signal);
  const forks = await Promise.all([restore(checkpoint), restore(checkpoint)]);
  for (const fork of forks) await fork.stop(signal);
  for (const fork of forks) assertMostly(await heldBy(fork, expected), expected.size, fork.id);
  for (const fork of forks) await fork.resume(signal);
  await runFor(1000);
  const diffs = [];
  for (const machine of [source, ...forks]) {
    diffs.push(await digest((await freeze(machine, template)).memoryDiff));
    await machine.destroy();
  }
  assert.equal(new Set(diffs).size, 3, "each went its own way");
  assert.equal(await digest(checkpoint.memoryDiff), before);
  assert.equal(await digest(template.memoryFile), templateDigest);
});
