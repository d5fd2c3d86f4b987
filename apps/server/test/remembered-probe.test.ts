import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { KvmFinding } from "@wrenn/vmm";
import { rememberedProbe } from "../src/remembered-probe.ts";

const root = await mkdtemp("/tmp/ws-");
after(() => rm(root, { recursive: true, force: true }));
const { signal } = new AbortController();
const emulates: KvmFinding = { usable: false, works: true, reason: "only emulates", mips: 2 };
let count = 0;

/** A device, a probe program and a boot of their own. */
async function lab() {
  const at = (name: string): string => join(root, `${count}-${name}`);
  count++;
  const [file, device, bootIdFile, program] = [at("finding"), at("kvm"), at("boot"), at("probe")];
  for (const path of [device, bootIdFile, program]) await writeFile(path, "1\n");
  const found = { finding: emulates, runs: 0 };
  const probe = rememberedProbe({
    file,
    device,
    bootIdFile,
    probe: async () => {
      found.runs++;
      return found.finding;
    },
  });
  const run = async (): Promise<readonly [KvmFinding, number]> => [await probe(program, signal), found.runs];
  return { file, device, bootIdFile, program, found, run };
}

async function replace(path: string): Promise<void> {
  const text = await readFile(path);
  await rm(path);
  await writeFile(path, text);
}

test("KVM is probed once for each boot", async () => {
  const { bootIdFile, run } = await lab();
  assert.deepEqual(await run(), [emulates, 1]);
  assert.deepEqual(await run(), [emulates, 1]);
  await writeFile(bootIdFile, "2\n");
  assert.deepEqual(await run(), [emulates, 2]);
  assert.deepEqual(await run(), [emulates, 2]);
});

test("a new device and a new probe make the server probe again", async () => {
  const { device, program, run } = await lab();
  await run();
  await replace(device);
  assert.deepEqual(await run(), [emulates, 2]);
  await replace(program);
  assert.deepEqual(await run(), [emulates, 3]);
  assert.deepEqual(await run(), [emulates, 3]);
});

test("a damaged file, a missing device and a failed probe are not trusted", async () => {
  const { file, device, found, run } = await lab();
  await run();
  for (const text of ["", "damaged", "{}", JSON.stringify({ finding: {} })]) {
    await writeFile(file, text);
    const before = found.runs;
    assert.deepEqual(await run(), [emulates, before + 1], text);
  }
  await rm(device);
  const failed: KvmFinding = { usable: false, works: false, reason: "no device", mips: 0 };
  found.finding = failed;
  const before = found.runs;
  assert.deepEqual(await run(), [failed, before + 1]);
  assert.deepEqual(await run(), [failed, before + 2]);
});
