/* Drawn: the hypervisor changes with its package only. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { Machine } from "@wrenn/vmm";
import { FrozenLab } from "../support/frozen-lab.ts";

/* What a machine costs its host while its guest has nothing to do. */
/* Alone: it counts how often the machine wakes up. */

const WATCHED_MS = 3000;
/** With what Debian's kernel repeats by default there are 35. */
const MOST_WAKE_UPS_PER_SECOND = 20;
/** A guest that was just restored still has work of its own. */
const SETTLED_WITHIN_MS = 60_000;
const HUGE_PAGE_KIB = 2048;

const lab = await FrozenLab.open(199_031);
after(() => lab.close());
const machine = await lab.restore(await lab.template());
await lab.answers(machine);

/** How often any thread of the machine has woken up. */
async function wakeUps({ process: { pid } }: Machine): Promise<number> {
  let sum = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, "utf8").catch(() => "");
    sum += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1] ?? 0);
  }
  return sum;
}

test("the threads of an idle machine wake up at most 20 times a second", async () => {
  let perSecond = Number.POSITIVE_INFINITY;
  await eventually(
    "the guest has come to rest",
    async () => {
      const [before, beganAt] = [await wakeUps(machine), performance.now()];
      await setTimeout(WATCHED_MS);
      perSecond = ((await wakeUps(machine)) - before) / ((performance.now() - beganAt) / 1000);
      return perSecond <= MOST_WAKE_UPS_PER_SECOND;
    },
    { timeoutMs: SETTLED_WITHIN_MS, details: () => `${perSecond.toFixed(1)} in the last second` },
  );
});

test("no small memory of a machine holds a huge page", async () => {
  const smaps = await readFile(`/proc/${machine.process.pid}/smaps`, "utf8");
  const mappings = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const field = (mapping: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(mapping)?.[1] ?? Number.NaN);
  const small = mappings.filter((mapping) => field(mapping, "Size") <= HUGE_PAGE_KIB);
  assert.ok(small.length > 10, "they were read");
  assert.deepEqual(
    small.filter((mapping) => field(mapping, "AnonHugePages") > 0),
    [],
  );
});
