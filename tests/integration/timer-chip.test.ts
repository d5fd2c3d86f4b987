/* Drawn: the hypervisor changes with its package only. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import type { Machine } from "@wrenn/vmm";
import { FrozenLab } from "../support/frozen-lab.ts";
import { qemu } from "../support/real-machines.ts";

/* Alone: it counts how often a machine that has nothing to do wakes up. */

/** How long a guest that was just booted still has work of its own. */
const SETTLE_MS = 10_000;
const IDLE_MS = 3000;
const SAMPLES = 4;

const lab = await FrozenLab.open(199_009);
after(() => lab.close());

const withChip = await lab.template(await qemu(undefined, undefined, { timerChip: true }));
const without = await lab.template();

/** What the machine was started with, as its process shows it. */
async function machineType({ process }: Machine): Promise<string> {
  const words = (await readFile(`/proc/${process.pid}/cmdline`, "utf8")).split("\0");
  return words[words.indexOf("-M") + 1] ?? "";
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How often QEMU's main thread woke up while the guest did nothing. */
async function wakeUps({ process }: Machine): Promise<number> {
  const read = async (): Promise<number> => {
    const status = await readFile(`/proc/${process.pid}/task/${process.pid}/status`, "utf8");
    return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  };
  const before = await read();
  await pause(IDLE_MS);
  return (await read()) - before;
}

test("a machine that was saved with a timer chip is restored with it, again and again, and continues", async () => {
  let state = withChip;
  for (let cycle = 1; cycle <= 2; cycle++) {
    const machine = await lab.restore(state);
    assert.doesNotMatch(await machineType(machine), /pit=off/);
    await lab.answers(machine);
    state = await lab.freeze(machine, withChip);
    await machine.destroy();
  }
});

test("an idle machine without a timer chip wakes its QEMU at most three quarters as often as one with it", async () => {
  const machines = [await lab.restore(withChip), await lab.restore(without)] as const;
  for (const machine of machines) await lab.answers(machine);
  assert.match(await machineType(machines[1]), /,pit=off$/);
  await pause(SETTLE_MS);
  const [often, seldom]: [number[], number[]] = [[], []];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [one, other] = await Promise.all([wakeUps(machines[0]), wakeUps(machines[1])]);
    often.push(one);
    seldom.push(other);
  }
  for (const machine of machines) await machine.destroy();
  // The quietest sample of each: other work of a guest only adds to it.
  assert.ok(
    Math.min(...seldom) < 0.75 * Math.min(...often),
    `without: ${seldom.join()}, with: ${often.join()}`,
  );
});
