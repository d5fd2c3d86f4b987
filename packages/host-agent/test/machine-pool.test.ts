import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { abortable, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { Slot } from "@wrenn/network";
import type { Machine, MachineDeath, RestoreSpec } from "@wrenn/vmm";
import { MachinePool } from "../src/pool/machine-pool.ts";
import type { MachinePoolDeps } from "../src/pool/machine-pool.ts";
import type { FrozenTemplate } from "../src/templates/frozen-template.ts";
import { ampleDisk } from "./support/ample-disk.ts";

const root = await mkdtemp(join(tmpdir(), "wrenn-pool-"));
after(() => rm(root, { recursive: true, force: true }));

const nothing = (): Promise<never> => Promise.reject(new Error("the pool does not need this"));

/** A host on which machines are names in a list. */
class Host {
  readonly directory: string;
  readonly machines: string[] = [];
  readonly slots = new Set<number>();
  readonly teams: string[] = [];
  readonly specs: RestoreSpec[] = [];
  free = 10_000;
  now = 0;
  /** Whether machines may be made. */
  isQuiet = Promise.resolve();
  readonly activity: MachinePoolDeps["activity"] = {
    quiet: (signal) => abortable(signal, this.isQuiet),
    pause: async () => {},
  };
  readonly deaths = new Map<string, (death: MachineDeath) => void>();
  readonly #pools: MachinePool[] = [];
  #slots = 0;

  constructor(name: string) {
    this.directory = join(root, name);
  }

  pool(warmMachines: number): MachinePool {
    const deps: MachinePoolDeps = {
      clock: { ...systemClock, monotonic: () => this.now },
      activity: this.activity,
      logger: silentLogger,
      random: systemRandom,
      machines: {
        hypervisor: {
          name: "list",
          identity: nothing,
          guestClock: undefined,
          boot: nothing,
          adopt: nothing,
          clear: nothing,
          restore: async (spec) => this.#start(spec),
        },
        slots: {
          acquire: async () => this.#slot(),
          assignTeam: async (_slot, team) => void this.teams.push(team),
          release: async ({ number }) => void this.slots.delete(number),
        },
        connectGuest: nothing,
      },
      disks: { create: async () => {}, reserve: ampleDisk },
      host: { facts: { memoryMib: 16_000 }, freeMemoryMib: () => this.free },
    };
    const pool = new MachinePool(deps, { capsulesDirectory: this.directory, warmMachines });
    this.#pools.push(pool);
    return pool;
  }

  async waits(pool: MachinePool, count: number): Promise<void> {
    await eventually(`${count} machines wait`, () => pool.waiting === count, { intervalMs: 2 });
  }

  /** What is done without waiting for anything is done. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    for (const pool of this.#pools) await pool.close();
  }

  async has(count: number): Promise<void> {
    await eventually(`there are ${count} machines`, () => this.machines.length === count, {
      intervalMs: 2,
      details: () => this.machines,
    });
  }

  #start(spec: RestoreSpec): Machine {
    const death = Promise.withResolvers<MachineDeath>();
    this.machines.push(spec.id);
    this.specs.push(spec);
    this.deaths.set(spec.id, death.resolve);
    const end = (): void => void this.machines.splice(this.machines.indexOf(spec.id), 1);
    return {
      id: spec.id,
      directory: spec.directory,
      process: { pid: 0, startTime: "0" },
      guestChannel: { interactive: "", bulk: "" },
      death: death.promise,
      identity: "list",
      stall: undefined,
      onStall: () => () => {},
      stop: nothing,
      resume: nothing,
      stallUntil: nothing,
      saveDeviceState: nothing,
      switchDisk: nothing,
      resizeDisk: nothing,
      activeDisk: nothing,
      memoryRegion: nothing,
      release: nothing,
      destroy: async () => {
        if (this.machines.includes(spec.id)) end();
      },
    };
  }

  #slot(): Slot {
    const number = ++this.#slots;
    this.slots.add(number);
    const addresses = { guestAddress: "", gateway: "", hostAddress: "", mac: "" };
    return {
      number,
      namespace: "",
      tap: "",
      uid: 1000 + number,
      pageServerUid: 70_000 + number,
      ...addresses,
    };
  }
}

function shape(hash: string) {
  const template: FrozenTemplate = {
    name: hash,
    hash,
    shape: { vcpus: 1, memoryMib: 256 },
    memoryFile: `/${hash}/memory`,
    deviceState: `/${hash}/state`,
    disk: `/${hash}/disk`,
    readable: [],
    metadata: {},
    sizeBytes: 0,
    // Machines of such a template wait without having been spoken to.
    frozenProcesses: true,
  };
  return { template, diskMib: 1000 };
}

test("machines of the template that is asked for most wait, stopped, and each is given out once", async () => {
  const host = new Host("hot");
  const pool = host.pool(2);
  assert.equal(pool.take(shape("a")), undefined, "nothing waits before anything was asked for");
  await host.waits(pool, 2);
  for (const { stopped, background, memoryFile } of host.specs)
    assert.deepEqual([stopped, background, memoryFile], [true, true, "/a/memory"]);
  const [first, second] = [pool.take(shape("a")), pool.take(shape("a"))];
  assert.ok(first && second && first.name !== second.name && first.slot.number !== second.slot.number);
  await host.waits(pool, 2);
  assert.equal(host.machines.length, 4);
  assert.equal(pool.take({ ...shape("a"), diskMib: 2000 }), undefined, "another disk is another machine");
  await pool.close();
  assert.deepEqual(host.machines.toSorted(), [first.name, second.name].toSorted());
  assert.equal(host.slots.size, 2, "what was given out is the taker's");
});

test("the slot of a waiting machine counts for the team of the newest capsule", async () => {
  const host = new Host("team");
  const pool = host.pool(1);
  pool.take(shape("a"));
  await host.waits(pool, 1);
  assert.deepEqual(host.teams, [], "a capsule without a team");
  for (const team of ["first", "second"]) {
    assert.ok(pool.take(shape("a"), team));
    await host.waits(pool, 1);
  }
  assert.deepEqual(host.teams, ["first", "second"]);
  await host.close();
});

test("a template that is dropped or asked for less leaves no machine behind", async () => {
  const host = new Host("stale");
  const pool = host.pool(1);
  pool.take(shape("a"));
  await host.has(1);
  await pool.drop("a");
  assert.deepEqual([host.machines.length, host.slots.size, await readdir(host.directory)], [0, 0, []]);
  pool.take(shape("b"));
  await host.has(1);
  await host.waits(pool, 1);
  for (let n = 0; n < 3; n++) pool.take(shape("c"));
  await eventually("the new habit is followed", () => host.specs.at(-1)?.memoryFile === "/c/memory", {
    intervalMs: 2,
  });
  await host.close();
  assert.deepEqual([host.machines.length, host.slots.size, await readdir(host.directory)], [0, 0, []]);
});

test("a machine that dies while it waits is never given out", async () => {
  const host = new Host("death");
  const pool = host.pool(1);
  pool.take(shape("a"));
  await host.has(1);
  const [name = ""] = host.machines;
  await host.waits(pool, 1);
  host.deaths.get(name)?.({ kind: "crashed", detail: "killed" });
  await host.has(0);
  assert.equal(pool.take(shape("a")), undefined);
  await host.has(1);
  assert.notEqual(host.machines[0], name);
  await host.close();
});

test("no machine is made when memory is short, and none without being asked for", async () => {
  const host = new Host("short");
  host.free = 2000;
  const pool = host.pool(1);
  pool.take(shape("a"));
  await host.settled();
  assert.equal(host.machines.length, 0);
  host.free = 10_000;
  pool.take(shape("a"));
  await host.waits(pool, 1);
  host.free = 1000;
  assert.ok(pool.take(shape("a")));
  const off = host.pool(0);
  assert.equal(off.take(shape("a")), undefined);
  await host.close();
});

test("a create or a resume that would leave the host short of memory ends the machines that wait, before they are asked for", async () => {
  const host = new Host("room");
  const pool = host.pool(2);
  pool.expect(shape("a"));
  await host.waits(pool, 1);
  pool.makeRoom(10_000 - 2000);
  assert.equal(pool.waiting, 1, "there is room for both");
  const [ended = ""] = host.machines;
  pool.makeRoom(10_000 - 1000);
  assert.equal(pool.waiting, 0);
  await host.waits(pool, 1);
  assert.ok(!host.machines.includes(ended), "the one that waits now is another");
  const large = shape("b");
  pool.take({ ...large, template: { ...large.template, shape: { vcpus: 1, memoryMib: 9000 } } });
  assert.equal(pool.waiting, 0, "a create that found no machine");
  await host.close();
});

test("a machine that is being made is given up as soon as memory is short or its template is dropped", async () => {
  const host = new Host("abandoned");
  const pool = host.pool(1);
  host.isQuiet = new Promise(() => {});
  pool.take(shape("a"));
  await pool.drop("a");
  pool.take(shape("b"));
  host.free = 1000;
  pool.makeRoom(0);
  [host.free, host.isQuiet] = [10_000, Promise.resolve()];
  await host.settled();
  pool.makeRoom(0);
  await host.waits(pool, 1);
  assert.deepEqual(
    host.specs.map(({ memoryFile }) => memoryFile),
    ["/b/memory"],
  );
  await host.close();
});

test("on a host that drains the machines that wait and the one being made are ended at once; afterwards they are made again", async () => {
  const host = new Host("drain");
  const pool = host.pool(2);
  pool.expect(shape("a"));
  pool.take(shape("a"));
  await host.waits(pool, 2);
  pool.allow(false);
  assert.equal(pool.waiting, 0);
  await eventually("nothing is left of them", () => host.machines.length === 0 && host.slots.size === 0);
  assert.equal(pool.take(shape("a")), undefined);
  const { promise: later, resolve } = Promise.withResolvers<void>();
  host.isQuiet = later;
  pool.allow(true);
  pool.allow(false);
  resolve();
  await pool.drop("b");
  assert.deepEqual([pool.waiting, host.machines.length], [0, 0], "the one that was being made is given up");
  pool.allow(true);
  await host.waits(pool, 2);
});

test("the expected template is worth one machine from the start; one that was not used for ten minutes is worth none", async () => {
  const host = new Host("demand");
  const pool = host.pool(2);
  pool.expect(shape("default"));
  await host.waits(pool, 1);
  pool.take(shape("a"));
  await host.waits(pool, 2);
  const made = (): readonly string[] => host.specs.map(({ memoryFile }) => memoryFile);
  assert.deepEqual(made(), ["/default/memory", "/a/memory"]);
  host.now += 11 * 60_000;
  pool.makeRoom(0);
  assert.equal(pool.waiting, 1);
  assert.equal(pool.take(shape("a")), undefined, "what is left is the expected one");
  assert.ok(pool.take(shape("default")));
  await host.close();
});
