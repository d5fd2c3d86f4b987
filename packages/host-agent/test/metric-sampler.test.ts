import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import type { Capsule } from "../src/capsules/capsule.ts";
import type { CapsuleRegistry } from "../src/capsules/capsule-registry.ts";
import { MetricSampler } from "../src/metrics/metric-sampler.ts";

/** A capsule that runs since `runningSince` and counts how often it is measured. */
function startSampler(runningSince: number) {
  const state = { now: 0, measured: 0 };
  const capsule = {
    id: "cl-measured",
    state: "running",
    lastActiveAt: 0,
    record: { runningSince },
    requireRunning: () => ({ guest: { counters: () => void state.measured++ } }),
    unnoticed: async (work: () => unknown) => {
      await work();
      throw new Error("that is all");
    },
  } as unknown as Capsule;
  const registry = { capsules: new Map([[capsule.id, capsule]]) } as unknown as CapsuleRegistry;
  const clock = { ...systemClock, now: () => state.now, monotonic: () => state.now };
  const sampler = new MetricSampler(
    registry,
    { clock, logger: silentLogger, disks: { layers: {} as never } },
    { onSample: () => {}, onCounters: () => {}, isSilent: () => false },
  );
  /** Lets seconds pass. Returns how often the capsule was measured in them. */
  const pass = async (seconds: number): Promise<number> => {
    const before = state.measured;
    for (let second = 0; second < seconds; second++) {
      state.now += 1000;
      mock.timers.tick(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return state.measured - before;
  };
  return { sampler, pass, id: capsule.id };
}

test("a machine that has just started is first measured after two seconds, then each second while it is used", async (t) => {
  mock.timers.enable({ apis: ["setInterval"] });
  t.after(() => mock.timers.reset());
  const { sampler, pass } = startSampler(0);
  assert.deepEqual([await pass(1), await pass(1), await pass(5)], [0, 1, 5]);
  assert.equal(await pass(13), 4, "each second until 10 s after its use, then every five");
  sampler.close();
});

test("one that is watched, that ran before, or that seems to start in the future is measured at once", async (t) => {
  mock.timers.enable({ apis: ["setInterval"] });
  t.after(() => mock.timers.reset());
  const watched = startSampler(0);
  watched.sampler.readSteps(watched.id, { after: 0, step: 1, watch: true });
  assert.equal(await watched.pass(1), 1);
  watched.sampler.close();
  for (const runningSince of [-5000, 60_000]) {
    const { sampler, pass } = startSampler(runningSince);
    assert.equal(await pass(1), 1);
    sampler.close();
  }
});
