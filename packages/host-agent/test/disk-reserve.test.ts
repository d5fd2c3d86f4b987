import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { defined, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { defaultReserve, DiskReserve } from "@wrenn/host-agent";
import type { StepObserver } from "@wrenn/host-agent";
import { exists } from "@wrenn/system";
import { measureStorage } from "../src/disks/storage-report.ts";
import { RESERVE_BYTES, specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const AMPLE = 100 * GIB;
const full = { reason: "disk_full" };
let freeBytes = AMPLE;
let lab: AgentOnFakeMachines;
/** What capsules occupy is never known while this is set. */
let isMeasuringWithheld = false;

/** Guests do not answer that their processes are frozen. */
let isQuiesceWithheld = false;
let onStep: StepObserver = () => {};

before(async () => {
  lab = await startAgentOnFakeMachines({
    space: () => ({ totalBytes: 2 * AMPLE, freeBytes }),
    onStep: (...step) => onStep(...step),
    measureStorage: async (...all) =>
      isMeasuringWithheld ? await Promise.withResolvers<never>().promise : await measureStorage(...all),
    onGuest: (link) => {
      Object.assign(link, {
        quiesce: (_options: unknown, inner: AbortSignal) =>
          isQuiesceWithheld ? once(inner, "abort").then(() => inner.throwIfAborted()) : Promise.resolve(),
      });
    },
  });
});
after(() => lab.close());

const create = async (team?: string): Promise<string> =>
  (await lab.agent.createCapsule({ ...specOf("minimal"), ...defined({ team }) }, signal)).id;
const filesOf = (id: string): string => join(lab.root, "capsules", id);
const problemOf = async (id: string): Promise<string | undefined> =>
  (await lab.agent.capsule(id, signal)).problem;

/** The guest of a capsule writes `mib`, and then 1 MiB ten times a second until this is disposed of. */
function writing(id: string, mib = 1): Disposable {
  const write = (more: number): void =>
    void appendFile(join(filesOf(id), "disk", "0.qcow2"), Buffer.alloc(more * MIB, 1));
  write(mib);
  const timer = setInterval(() => write(1), 100);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

test("nothing new is written below the reserve, and nothing of what was refused is left", async () => {
  const id = await create();
  const paused = await create();
  await lab.agent.pauseCapsule(paused, signal);
  const before = await readdir(join(lab.root, "capsules"));
  const layers = await readdir(join(lab.root, "layers"));
  freeBytes = RESERVE_BYTES;
  const spec = specOf("minimal");
  await assert.rejects(lab.agent.createCapsule(spec, signal), full);
  await assert.rejects(lab.agent.checkpointCapsule(id, undefined, signal), full);
  await assert.rejects(lab.agent.forkCapsule(id, [specOf("minimal")], signal), full);
  await assert.rejects(
    lab.agent.createSnapshot(paused, { key: "tpl-refused", ownPrograms: false }, signal),
    full,
  );
  assert.deepEqual(await readdir(join(lab.root, "capsules")), before);
  assert.deepEqual(await readdir(join(lab.root, "layers")), layers);
  assert.deepEqual(await readdir(join(lab.root, "templates")), []);
  assert.deepEqual(await lab.agent.listCheckpoints(id, signal), []);

  // What frees memory, or lets users reach what they could delete, may use half of it.
  await lab.agent.resumeCapsule(paused, signal);
  await lab.agent.pauseCapsule(paused, signal);
  freeBytes = RESERVE_BYTES / 2;
  await assert.rejects(lab.agent.pauseCapsule(id, signal), full);
  await assert.rejects(lab.agent.resumeCapsule(paused, signal), full);
  assert.equal((await lab.agent.capsule(id, signal)).state, "running");
  assert.equal((await lab.agent.capsule(paused, signal)).state, "paused");
  // Deleting needs no room.
  await lab.agent.destroyCapsule(paused, signal);
  freeBytes = AMPLE;
  await lab.agent.checkpointCapsule(id, undefined, signal);
  await lab.agent.destroyCapsule(id, signal);
});

test("the refusal says how much is free, and what to delete", async () => {
  freeBytes = RESERVE_BYTES;
  const error = await lab.agent.createCapsule(specOf("minimal"), signal).catch((one: unknown) => one);
  freeBytes = AMPLE;
  assert.ok(WrennError.is(error, "disk_full"));
  assert.match(error.message, /1\.0 GiB of it are free, and 1\.0 GiB are kept in reserve/);
  assert.match(error.remedy, /Delete checkpoints, templates or capsules/);
});

test("operations that begin at the same time cannot share the same free bytes", async () => {
  const reserve = new DiskReserve(
    { readSpace: async () => ({ totalBytes: AMPLE, freeBytes: GIB + 100 * MIB }) },
    { path: "/", reserveBytes: GIB },
  );
  const claims = await Promise.allSettled(Array.from({ length: 8 }, () => reserve.claim(60 * MIB, "new")));
  assert.equal(claims.filter(({ status }) => status === "fulfilled").length, 1);
  for (const claim of claims) if (claim.status === "fulfilled") claim.value[Symbol.dispose]();
  // A refused claim takes nothing: the room is free again.
  (await reserve.claim(60 * MIB, "new"))[Symbol.dispose]();
});

test("a claim that is refused refuses no other, and one that grows counts with its new size", async () => {
  const reserve = new DiskReserve(
    { readSpace: async () => ({ totalBytes: AMPLE, freeBytes: GIB + 100 * MIB }) },
    { path: "/", reserveBytes: GIB },
  );
  const [large, small] = await Promise.allSettled([
    reserve.claim(100 * GIB, "new"),
    reserve.claim(16 * MIB, "new"),
  ]);
  assert.equal(large.status, "rejected");
  assert.ok(small.status === "fulfilled");
  await small.value.growTo(90 * MIB);
  await assert.rejects(small.value.growTo(101 * MIB), full);
  await assert.rejects(reserve.claim(11 * MIB, "new"), full);
  (await reserve.claim(10 * MIB, "new"))[Symbol.dispose]();
  small.value[Symbol.dispose]();
  (await reserve.claim(100 * MIB, "new"))[Symbol.dispose]();
});

for (const operation of ["pause", "checkpoint"] as const)
  test(`a guest that fills its memory before a ${operation} stops it gets no more of the disk than there is`, async () => {
    const id = await create();
    const processes = lab.agent.processes(id);
    const outputs = ["a", "b", "c", "d"].map((letter) => `yes ${letter} | head -c 1000000`);
    onStep = async (_id, _operation, step) => {
      if (step !== "stop") return;
      for (const output of outputs) {
        const request = {
          cmd: "/bin/sh",
          args: ["-c", output],
          envs: {},
          stdin: false,
          output: "detached",
        } as const;
        await (await processes.start(request, signal)).wait(signal);
      }
      freeBytes = operation === "pause" ? RESERVE_BYTES / 2 : RESERVE_BYTES;
    };
    const attempt =
      operation === "pause"
        ? lab.agent.pauseCapsule(id, signal)
        : lab.agent.checkpointCapsule(id, undefined, signal);
    await assert.rejects(attempt, full);
    onStep = () => {};
    freeBytes = AMPLE;
    assert.equal((await lab.agent.capsule(id, signal)).state, "running");
    assert.deepEqual(await lab.agent.listCheckpoints(id, signal), []);
    assert.deepEqual(await readdir(join(filesOf(id), "generations")), []);
    await lab.agent.pauseCapsule(id, signal);
    await lab.agent.destroyCapsule(id, signal);
  });

test("below half of the reserve a capsule that writes waits, others run, and it continues when there is room", async () => {
  const writer = await create();
  const idle = await create();
  {
    using _writes = writing(writer);
    freeBytes = RESERVE_BYTES / 2 - MIB;
    const problem = await eventually("the writer waits", () => problemOf(writer), { timeoutMs: 10_000 });
    assert.match(problem, /no space left/);
    assert.equal(await problemOf(idle), undefined);
  }
  freeBytes = RESERVE_BYTES * 0.6;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.ok(await problemOf(writer), "it does not continue at the mark at which it stopped");
  freeBytes = AMPLE;
  await eventually("the writer continues", async () => (await problemOf(writer)) === undefined);
  await lab.agent.pauseCapsule(writer, signal);
  await lab.agent.destroyCapsule(writer, signal);
  await lab.agent.destroyCapsule(idle, signal);
});

for (const operation of ["pause", "checkpoint"] as const)
  test(`a guest that draws out a ${operation} and writes meanwhile is stalled all the same`, async () => {
    const id = await create();
    isQuiesceWithheld = true;
    freeBytes = RESERVE_BYTES * 1.9;
    const attempt =
      operation === "pause"
        ? lab.agent.pauseCapsule(id, signal)
        : lab.agent.checkpointCapsule(id, undefined, signal);
    const refused = assert.rejects(attempt, full);
    {
      using _writes = writing(id);
      await new Promise((resolve) => setTimeout(resolve, 700));
      freeBytes = RESERVE_BYTES / 2 - MIB;
      await eventually("the writer waits", () => problemOf(id), { timeoutMs: 2000 });
      await refused;
    }
    assert.equal((await lab.agent.capsule(id, signal)).state, "running");
    isQuiesceWithheld = false;
    freeBytes = AMPLE;
    await eventually("the writer continues", async () => (await problemOf(id)) === undefined);
    await lab.agent.pauseCapsule(id, signal);
    await lab.agent.destroyCapsule(id, signal);
  });

test("the team that occupies most is stalled at the reserve; the lower half of it stays for others", async () => {
  const large = await create("team-large");
  const small = await create("team-small");
  const others = await create("team-small");
  {
    using _large = writing(large, 128);
    using _small = writing(small);
    freeBytes = RESERVE_BYTES * 0.8;
    await eventually("the large team's writer waits", () => problemOf(large), { timeoutMs: 5000 });
    freeBytes = RESERVE_BYTES * 0.6;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(await problemOf(small), undefined);
    await lab.agent.pauseCapsule(others, signal);
    // Room that others free is not the large team's.
    freeBytes = RESERVE_BYTES * 0.95;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.ok(await problemOf(large));
    assert.equal(await problemOf(small), undefined);
  }
  freeBytes = AMPLE;
  await eventually("the large team's writer continues", async () => (await problemOf(large)) === undefined);
  for (const id of [large, small, others]) await lab.agent.destroyCapsule(id, signal);
});

test("a pause on a disk without room for compacting collects layers all the same", async () => {
  const id = await create();
  for (let n = 0; n < 9; n++) await lab.agent.checkpointCapsule(id, undefined, signal);
  const unused = join(lab.root, "layers", "unused.qcow2");
  await writeFile(unused, "layer");
  onStep = (_id, _operation, step) => {
    if (step === "release") freeBytes = RESERVE_BYTES / 2;
  };
  await lab.agent.pauseCapsule(id, signal);
  onStep = () => {};
  await eventually("the unused layer is removed", async () => !(await exists(unused)));
  const [own] = (await lab.agent.storage(signal)).capsules;
  assert.equal(own?.layers.length, 10, "they are not compacted");
  freeBytes = AMPLE;
  await lab.agent.destroyCapsule(id, signal);
});

/* The last one with a guard: what it measures never ends. */
test("a writer is stalled within 2 s although what teams occupy is still being measured", async () => {
  const id = await create();
  {
    using _writer = writing(id);
    isMeasuringWithheld = true;
    freeBytes = RESERVE_BYTES * 0.9;
    // Several looks: one of them begins to measure.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(await problemOf(id), undefined);
    freeBytes = RESERVE_BYTES * 0.4;
    await eventually("the writer waits", () => problemOf(id), { timeoutMs: 2000 });
  }
  freeBytes = AMPLE;
  await eventually("the writer continues", async () => (await problemOf(id)) === undefined);
  await lab.agent.destroyCapsule(id, signal);
});

test("the default reserve leaves room on small disks and is bounded on large ones", () => {
  assert.equal(defaultReserve(1000 * GIB), 20 * GIB);
  assert.equal(defaultReserve(100 * GIB), 10 * GIB);
  assert.equal(defaultReserve(20 * GIB), 2 * GIB);
  assert.equal(defaultReserve(8 * GIB), GIB);
  assert.equal(defaultReserve(2 * GIB), GIB / 2);
});
