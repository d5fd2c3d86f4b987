import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { findDirtyPages } from "@wrenn/memory-image";
import { diffPages, FrozenLab, heldBy } from "../support/frozen-lab.ts";
import { accelerator } from "../support/real-machines.ts";
import { machinesBelow } from "../support/machines-below.ts";
import type { Frozen } from "../support/frozen-lab.ts";
import type { Machine, MemoryRegion } from "@wrenn/vmm";

const lab = await FrozenLab.open(199_002);
after(() => lab.close());
afterEach(() => lab.endMachines());
const { signal } = lab;

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Pages that KVM writes when a device state is loaded: those of the guest's clocks (served-memory.test.ts). */
const CLOCK_PAGES = accelerator() === "kvm" ? 8 : 0;

/** Restores a machine that stands still, of which each page is as it was frozen, and lets it run. */
async function restoreExactly(frozen: Frozen & { readonly memoryDiff: string }): Promise<Machine> {
  const expected = await diffPages(frozen.memoryDiff);
  assert.ok(expected.size > 20, `only ${expected.size} pages differ from the base`);
  const machine = await lab.restore({ ...frozen, stopped: true });
  const held = await heldBy(machine, expected, signal);
  assert.ok(held >= expected.size - CLOCK_PAGES, `${machine.id}: ${held} of ${expected.size} pages`);
  await machine.resume(signal);
  return machine;
}

const template = await lab.template();
const templateDigest = await digest(template.memoryFile);

async function runFor(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

test("six cycles of freezing and restoring: each machine has the memory of the one before", async () => {
  let state: Frozen = template;
  for (let cycle = 1; cycle <= 6; cycle++) {
    const machine = await lab.restore(state);
    await lab.answers(machine);
    const frozen = await lab.freeze(machine, template);
    await machine.destroy();
    const next = await restoreExactly(frozen);
    await lab.answers(next);
    await next.destroy();
    state = frozen;
  }
  assert.equal(await digest(template.memoryFile), templateDigest, "the base is never written");
});

test("a checkpoint lets its source go on; machines from it diverge and change neither base nor diff", async () => {
  const source = await lab.restore(template);
  await lab.answers(source);
  const checkpoint = await lab.freeze(source, template);
  const before = await digest(checkpoint.memoryDiff);
  const expected = await diffPages(checkpoint.memoryDiff);
  assert.equal(
    await heldBy(source, expected, signal),
    expected.size,
    "a stopped machine holds exactly what was written",
  );
  await source.resume(signal);
  const forks = await Promise.all([restoreExactly(checkpoint), restoreExactly(checkpoint)]);
  for (const machine of [source, ...forks]) await lab.answers(machine);
  const diffs = [];
  for (const machine of [source, ...forks]) {
    diffs.push(await digest((await lab.freeze(machine, template)).memoryDiff));
    await machine.destroy();
  }
  assert.equal(new Set(diffs).size, 3, "each went its own way");
  assert.equal(await digest(checkpoint.memoryDiff), before);
  assert.equal(await digest(template.memoryFile), templateDigest);
});

/** A digest of the memory of a stopped machine, page for page. */
async function memoryDigest(machine: Machine): Promise<string> {
  const { pid, address, size } = await machine.memoryRegion(signal);
  await using memory = await open(`/proc/${pid}/mem`);
  const hash = createHash("sha256");
  const piece = Buffer.alloc(1 << 20);
  for (let at = 0; at < size; at += piece.length) {
    await memory.read(piece, 0, piece.length, Number(address) + at);
    hash.update(piece);
  }
  return hash.digest("hex");
}

test("saving its device state changes nothing in the memory of a machine, so that both are saved at once", async () => {
  const machine = await lab.restore(template);
  await lab.answers(machine);
  for (let cycle = 0; cycle < 3; cycle++) {
    await machine.stop(signal);
    const before = await memoryDigest(machine);
    await machine.saveDeviceState(join(lab.directory, `${machine.id}.state`), signal);
    assert.equal(await memoryDigest(machine), before);
    await machine.resume(signal);
    await lab.answers(machine);
  }
  await machine.destroy();
});

/** The memory of a machine that is being started. */
async function regionOf(pid: number): Promise<MemoryRegion> {
  const { ino, size } = await stat(template.memoryFile);
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  const line = maps.split("\n").find((text) => text.split(/\s+/)[4] === String(ino));
  assert.ok(line, "its memory is mapped");
  return { pid, address: BigInt(`0x${line.split("-")[0]}`), size };
}

test("until its files are verified a machine executes nothing and loads no state, and a damaged page ends it", async () => {
  const source = await lab.restore(template);
  await lab.answers(source);
  const frozen = await lab.freeze(source, template);
  await source.destroy();
  const damaged = new WrennError("snapshot_corrupt", {
    what: "memory.diff",
    problem: "its checksum is wrong",
  });
  const { promise: mayRun, reject } = Promise.withResolvers<void>();
  const loading = Promise.withResolvers<void>();
  const starting = lab.restore({ ...frozen, mayRun, onLoading: loading.resolve });
  // Whatever is found below, the machine ends.
  using _ = { [Symbol.dispose]: () => reject(damaged) };
  await loading.promise;
  const [directory] = await machinesBelow(lab.directory);
  assert.ok(directory);
  const { process } = JSON.parse(await readFile(join(directory, "record.json"), "utf8")) as {
    readonly process: { readonly pid: number };
  };
  const expected = await diffPages(frozen.memoryDiff);
  const region = await regionOf(process.pid);
  await runFor(500);
  const held = await heldBy({ memoryRegion: async () => region }, expected, signal);
  const { count } = await findDirtyPages(region, signal);
  assert.deepEqual(
    [held, count],
    [expected.size, expected.size],
    "its memory is what was frozen, to the byte",
  );
  reject(damaged);
  await assert.rejects(starting, damaged);
  assert.deepEqual(await machinesBelow(lab.directory), []);
});
