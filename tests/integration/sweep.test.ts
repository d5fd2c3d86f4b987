import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { orphanFinders, sweepHost } from "@wrenn/host-agent";
import type { OrphanFinder, Swept } from "@wrenn/host-agent";
import { createSlotPool } from "@wrenn/network";
import { isAlive, tryCommand, tryLock } from "@wrenn/system";
import { listGroups, openCgroups } from "@wrenn/vmm";
import { FrozenLab } from "../support/frozen-lab.ts";

/* What nobody owns is found and removed, and what somebody owns is not. */

const directory = await mkdtemp("/tmp/wrenn-sweep-");
after(() => rm(directory, { recursive: true, force: true }));

/** Sweeps among what this test made: others work on the machine, too. */
async function sweep(isMine: (name: string) => boolean, dryRun: boolean): Promise<readonly Swept[]> {
  const finders = orphanFinders(join(directory, "cache")).map((finder): OrphanFinder => {
    const find = async () => (await finder.find()).filter(({ name }) => isMine(name));
    return { kind: finder.kind, find };
  });
  return await sweepHost({ finders, graceMs: 0, dryRun });
}

const outcomes = (swept: readonly Swept[]): readonly string[] =>
  swept.map(({ kind, outcome }) => `${kind} ${outcome}`);

test("a machine whose directory is gone is ended, and its group removed; its neighbour stays", async () => {
  const lab = await FrozenLab.open(199_004);
  try {
    const template = await lab.template();
    const [lost, kept] = [await lab.restore(template), await lab.restore(template)];
    const isLost = (name: string): boolean => name.includes(lost.directory) || name === lost.id;
    const isKept = (name: string): boolean => name.includes(kept.directory) || name === kept.id;
    assert.deepEqual(await sweep(isLost, true), [], "a machine with its directory has an owner");
    await lost.release();
    await rm(lost.directory, { recursive: true });
    assert.deepEqual(outcomes(await sweep(isLost, true)), ["machine found"]);
    assert.ok(await isAlive(lost.process), "a dry run removes nothing");
    assert.deepEqual(outcomes(await sweep(isLost, false)).slice(0, 1), ["machine removed"]);
    const cgroups = await openCgroups();
    await eventually("the group is removed once it is empty", async () => {
      if (!(await listGroups(cgroups)).includes(lost.id)) return true;
      await sweep(isLost, false);
      return false;
    });
    assert.equal(await isAlive(lost.process), false);
    assert.deepEqual(await sweep(isKept, false), []);
    assert.match(await lab.answers(kept), /^\d/);
  } finally {
    await lab.close();
  }
});

test("the network of an installation whose state is gone is removed; one that can be taken over is not", async () => {
  const stateDirectory = join(directory, "network");
  const signal = AbortSignal.timeout(60_000);
  const options = { stateDirectory, logger: silentLogger, random: systemRandom, size: 1, uidBase: 197_000 };
  const pool = await createSlotPool(options, signal);
  const { id } = pool.instance;
  const isMine = (name: string): boolean => name.startsWith(`${id} `);
  await pool.acquire(signal);
  assert.deepEqual(await sweep(isMine, true), [], "it is in use");
  // A slot in use stays in the kernel, for the next server.
  await pool.close();
  assert.deepEqual(await sweep(isMine, true), [], "it waits for the next server");
  // A journal that cannot be read proves nothing.
  await rename(stateDirectory, `${stateDirectory}.away`);
  await mkdir(join(stateDirectory, "slots.json"), { recursive: true });
  assert.deepEqual(await sweep(isMine, true), [], "whether it can be taken over is not known");
  await rm(stateDirectory, { recursive: true });
  assert.deepEqual(outcomes(await sweep(isMine, true)), ["network found"]);
  assert.deepEqual(outcomes(await sweep(isMine, false)), ["network removed"]);
  const names = [...(await readdir("/run/netns")), ...(await readdir("/sys/class/net"))];
  assert.deepEqual(
    names.filter((name) => name.includes(id)),
    [],
  );
  assert.doesNotMatch((await tryCommand(["nft", "list", "tables"])).stdout, new RegExp(`wrenn_${id}`));
  assert.deepEqual(await sweep(isMine, false), []);
});

test("what a killed builder left in the cache is removed; a build under way is not", async () => {
  const kind = join(directory, "cache", "frozen");
  for (const key of ["dead", "alive", "without-lock"])
    await mkdir(join(kind, `${key}.building-abc`), { recursive: true });
  await mkdir(join(kind, "finished"));
  const script = `import { tryLock } from "@wrenn/system";
    await tryLock(${JSON.stringify(join(kind, "dead.lock"))});
    process.stdout.write("locked");
    setInterval(() => {}, 60_000);`;
  const builder = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: import.meta.dirname,
  });
  await once(builder.stdout, "data");
  assert.equal(await tryLock(join(kind, "dead.lock")), undefined, "a builder holds the lock");
  builder.kill("SIGKILL");
  await once(builder, "close");
  await using alive = await tryLock(join(kind, "alive.lock"));
  assert.ok(alive);
  const swept = await sweep((name) => name.startsWith(kind), false);
  assert.deepEqual(swept.map(({ name, outcome }) => `${basename(name)} ${outcome}`).toSorted(), [
    "dead.building-abc removed",
    "without-lock.building-abc removed",
  ]);
  assert.deepEqual((await readdir(kind)).filter((name) => !name.endsWith(".lock")).toSorted(), [
    "alive.building-abc",
    "finished",
  ]);
});

test("a part that cannot be looked at, or an orphan that resists, is told and stops nothing else", async () => {
  const refuse = (): Promise<never> => Promise.reject(new Error("no"));
  const removed: string[] = [];
  const orphan = (name: string, remove: () => Promise<void>) => ({
    name,
    reason: "test",
    ageMs: 1000,
    remove,
  });
  const swept = await sweepHost({
    finders: [
      { kind: "cgroup", find: refuse },
      {
        kind: "machine",
        find: async () => [orphan("a", refuse), orphan("b", async () => void removed.push("b"))],
      },
      { kind: "build", find: async () => [{ ...orphan("young", refuse), ageMs: 10 }] },
    ],
    graceMs: 100,
    dryRun: false,
  });
  assert.deepEqual(outcomes(swept), ["cgroup failed", "machine failed", "machine removed"]);
  assert.deepEqual(removed, ["b"]);
});
