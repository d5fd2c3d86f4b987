import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { after, test } from "node:test";
import { diffPages, FrozenLab, heldBy } from "../support/frozen-lab.ts";
import type { Frozen } from "../support/frozen-lab.ts";

const lab = await FrozenLab.open(199_002);
after(() => lab.close());
const { signal } = lab;

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

const template = await lab.template();
const templateDigest = await digest(template.memoryFile);

async function runFor(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

test("six cycles of freezing and restoring: each machine has the memory of the one before", async () => {
  let state: Frozen = template;
  for (let cycle = 1; cycle <= 6; cycle++) {
    const machine = await lab.restore(state);
    await runFor(500);
    const frozen = await lab.freeze(machine, template);
    await machine.destroy();
    const expected = await diffPages(frozen.memoryDiff);
    const next = await lab.restore(frozen);
    await next.stop(signal);
    assertMostly(await heldBy(next, expected, signal), expected.size, `cycle ${cycle}`);
    await next.destroy();
    state = frozen;
  }
  assert.equal(await digest(template.memoryFile), templateDigest, "the base is never written");
});

test("a checkpoint lets its source go on; machines from it diverge and change neither base nor diff", async () => {
  const source = await lab.restore(template);
  await runFor(500);
  const checkpoint = await lab.freeze(source, template);
  const before = await digest(checkpoint.memoryDiff);
  const expected = await diffPages(checkpoint.memoryDiff);
  assert.equal(
    await heldBy(source, expected, signal),
    expected.size,
    "a stopped machine holds exactly what was written",
  );
  await source.resume(signal);
  const forks = await Promise.all([lab.restore(checkpoint), lab.restore(checkpoint)]);
  for (const fork of forks) await fork.stop(signal);
  for (const fork of forks) assertMostly(await heldBy(fork, expected, signal), expected.size, fork.id);
  for (const fork of forks) await fork.resume(signal);
  await runFor(1000);
  const diffs = [];
  for (const machine of [source, ...forks]) {
    diffs.push(await digest((await lab.freeze(machine, template)).memoryDiff));
    await machine.destroy();
  }
  assert.equal(new Set(diffs).size, 3, "each went its own way");
  assert.equal(await digest(checkpoint.memoryDiff), before);
  assert.equal(await digest(template.memoryFile), templateDigest);
});
