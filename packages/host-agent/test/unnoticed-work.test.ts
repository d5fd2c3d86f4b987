import assert from "node:assert/strict";
import { test } from "node:test";
import { Capsule } from "../src/capsules/capsule.ts";
import { CapsuleDirectory } from "../src/capsules/capsule-directory.ts";
import type { CapsuleRecord } from "../src/capsules/capsule-record.ts";

const shape = { vcpus: 1, memoryMib: 64 };
const record: CapsuleRecord = {
  version: 1,
  spec: { id: "c1", template: "minimal", ...shape, diskMib: 64, timeoutSec: 300, envs: {} },
  state: "running",
  template: {
    name: "minimal",
    shape,
    hash: "minimal",
    memoryFile: "memory",
    deviceState: "device-state",
    disk: "disk",
    sizeBytes: 0,
    readable: [],
    frozenProcesses: false,
    metadata: {},
  },
  createdAt: 0,
  restores: 1,
  overlay: 1,
  layers: [],
  generations: [],
  nextGeneration: 1,
};

function lab() {
  let now = 1000;
  const capsule = new Capsule(
    record,
    new CapsuleDirectory("/nonexistent", "c1"),
    { now: () => now },
    () => {},
  );
  const pass = (ms: number): void => {
    now += ms;
  };
  /** Work whose request goes out at once and whose answer arrives when it is finished. */
  const begin = (): { readonly finish: () => Promise<void> } => {
    const answered = Promise.withResolvers<void>();
    const work = capsule.unnoticed(async () => {
      capsule.noteTraffic();
      await answered.promise;
      capsule.noteTraffic();
    });
    return {
      finish: async () => {
        answered.resolve();
        await work;
      },
    };
  };
  return { capsule, pass, begin };
}

test("pieces of unnoticed work that overlap do not count as use, in whichever order they end", async () => {
  for (const order of ["first", "second"]) {
    const { capsule, pass, begin } = lab();
    pass(60_000);
    const clockCheck = begin();
    pass(1);
    const sample = begin();
    pass(5);
    await (order === "first" ? clockCheck : sample).finish();
    pass(5);
    await (order === "first" ? sample : clockCheck).finish();
    assert.equal(capsule.lastActiveAt, 1000, `${order} ends first`);
  }
});

test("what says that the capsule is in use counts also during unnoticed work; later traffic counts again", async () => {
  const { capsule, pass, begin } = lab();
  const sample = begin();
  pass(5);
  capsule.touch();
  pass(5);
  await sample.finish();
  assert.equal(capsule.lastActiveAt, 1005);
  pass(5);
  capsule.noteTraffic();
  assert.equal(capsule.lastActiveAt, 1015);
});

test("unnoticed work that fails ends", async () => {
  const { capsule, pass } = lab();
  await assert.rejects(
    capsule.unnoticed(() => Promise.reject(new Error("no answer"))),
    /no answer/,
  );
  pass(5);
  capsule.noteTraffic();
  assert.equal(capsule.lastActiveAt, 1005);
});
