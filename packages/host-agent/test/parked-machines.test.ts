import assert from "node:assert/strict";
import { after, test } from "node:test";
import { silentLogger, systemClock, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { Slot } from "@wrenn/network";
import type { MachineDeath } from "@wrenn/vmm";
import type { Capsule } from "../src/capsules/capsule.ts";
import type { HeldMachine } from "../src/machines/held-machine.ts";
import { PARKED_MS, ParkedMachines } from "../src/parked/parked-machines.ts";
import { slotsOverParked } from "../src/parked/slots-over-parked.ts";

const MIB = 2 ** 20;
const HOST_MIB = 1000;

/** A host on which a machine is a number of MiB. */
class Host {
  free = HOST_MIB;
  readonly ended: string[] = [];
  readonly deaths = new Map<string, (death: MachineDeath) => void>();
  readonly sleeps: { readonly ms: number; readonly end: () => void }[] = [];
  /** What ending a machine waits for. */
  ending = Promise.resolve();
  readonly parked: ParkedMachines;

  constructor(parkedMachines: number) {
    this.parked = new ParkedMachines(
      {
        clock: {
          sleep: (ms, signal) =>
            new Promise((resolve, reject) => {
              this.sleeps.push({ ms, end: resolve });
              signal?.addEventListener("abort", () => reject(signal.reason as Error));
            }),
        },
        logger: silentLogger,
        host: { facts: { memoryMib: HOST_MIB }, freeMemoryMib: () => this.free },
        readMemory: async (mib) => mib * MIB,
        release: async ({ id }) => {
          this.ended.push(id);
          await this.ending;
        },
      },
      { parkedMachines },
    );
    hosts.push(this);
  }

  async park(id: string, mib = 1, generation = "g1"): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<MachineDeath>();
    this.deaths.set(id, resolve);
    const machine = { id, process: { pid: mib, startTime: "0" }, death: promise } as unknown as HeldMachine;
    const slot = { number: mib } as Slot;
    return await this.parked.park({ id } as Capsule, { machine, slot }, async () => ({
      generation,
      overlay: 1,
    }));
  }

  async take(id: string, generation = "g1"): Promise<string | undefined> {
    return (await this.parked.take({ id }, generation))?.machine.id;
  }
}

const hosts: Host[] = [];
after(async () => {
  for (const { parked } of hosts) await parked.close();
});

test("a parked machine belongs to whoever takes it, once", async () => {
  const host = new Host(2);
  assert.equal(await host.park("a"), true);
  assert.equal(await host.take("b"), undefined);
  assert.equal(await host.take("a"), "a");
  assert.equal(await host.take("a"), undefined);
  assert.deepEqual(host.ended, []);
});

test("a machine of another generation is ended and not handed out", async () => {
  const host = new Host(2);
  await host.park("a", 1, "g1");
  assert.equal(await host.take("a", "g2"), undefined);
  assert.deepEqual(host.ended, ["a"]);
  assert.equal(await host.take("a", "g1"), undefined);
});

test("with no machines to keep, none is", async () => {
  const host = new Host(0);
  assert.equal(await host.park("a"), false);
  assert.deepEqual(host.ended, [], "it is the caller's");
});

test("the oldest machine ends when there is one too many", async () => {
  const host = new Host(2);
  for (const id of ["a", "b", "c"]) await host.park(id);
  assert.deepEqual(host.ended, ["a"]);
  assert.equal(await host.take("b"), "b");
  await host.park("d");
  assert.deepEqual(host.ended, ["a"]);
});

test("a machine that goes on counts no longer, and is the newest when it is parked again", async () => {
  const host = new Host(2);
  for (const id of ["a", "b"]) await host.park(id);
  await host.take("a");
  await host.park("a");
  await host.park("c");
  assert.deepEqual(host.ended, ["b"]);
});

test("parked machines hold at most a quarter of the memory that would be free without them", async () => {
  const host = new Host(8);
  host.free = 300;
  assert.equal(await host.park("large", 101), false);
  assert.equal(await host.park("a", 60), true);
  assert.equal(await host.park("b", 60), true);
  assert.deepEqual(host.ended, ["a"]);
});

test("no machine is kept on a host that is short of memory", async () => {
  const host = new Host(8);
  host.free = 119;
  assert.equal(await host.park("a"), false);
});

test("a machine that starts ends as many as its memory takes, the oldest first, and waits for that", async () => {
  const host = new Host(8);
  for (const id of ["a", "b", "c"]) await host.park(id, 50);
  host.free = 300;
  await host.parked.makeRoom(180);
  assert.deepEqual(host.ended, []);
  const { promise, resolve } = Promise.withResolvers<void>();
  host.ending = promise;
  let isOver = false;
  const room = host.parked.makeRoom(240).then(() => (isOver = true));
  await new Promise((done) => setImmediate(done));
  assert.deepEqual([host.ended, isOver], [["a", "b"], false]);
  resolve();
  await room;
});

test("the resume of a parked capsule does not end its own machine", async () => {
  const host = new Host(8);
  for (const id of ["a", "b"]) await host.park(id, 50);
  host.free = 130;
  await host.parked.makeRoom(60, "a");
  assert.deepEqual(host.ended, ["b"]);
  assert.equal(await host.take("a"), "a");
});

test("machines end when the host becomes short of memory", async () => {
  const host = new Host(8);
  await host.park("a", 1);
  host.free = 100;
  await eventually("it has ended", () => host.ended.length === 1);
});

test("a machine ends five minutes after the pause, and not after a later one when it went on", async () => {
  const host = new Host(8);
  await host.park("a");
  await host.take("a");
  await host.park("a");
  assert.deepEqual(
    host.sleeps.map(({ ms }) => ms),
    [PARKED_MS, PARKED_MS],
  );
  host.sleeps[0]?.end();
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(host.ended, []);
  host.sleeps[1]?.end();
  await eventually("it has ended", () => host.ended.length === 1);
});

test("what is left of a machine that died is removed", async () => {
  const host = new Host(8);
  await host.park("a");
  host.deaths.get("a")?.({ kind: "crashed", detail: "signal 9" });
  await eventually("it has ended", () => host.ended.length === 1);
  assert.equal(await host.take("a"), undefined);
});

test("the death of a machine that went on is no longer looked at here", async () => {
  const host = new Host(8);
  await host.park("a");
  await host.take("a");
  host.deaths.get("a")?.({ kind: "crashed", detail: "signal 9" });
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(host.ended, []);
});

test("who asks for the machine of a capsule while it ends waits for that", async () => {
  const host = new Host(8);
  await host.park("a");
  const { promise, resolve } = Promise.withResolvers<void>();
  host.ending = promise;
  const ends = host.parked.endOldest();
  let taken: string | undefined = "not yet";
  const taking = host.take("a").then((machine) => (taken = machine));
  await new Promise((done) => setImmediate(done));
  assert.equal(taken, "not yet");
  resolve();
  await Promise.all([ends, taking]);
  assert.equal(taken, undefined);
});

test("the end of the host agent ends all of them, and none is parked from then on", async () => {
  const host = new Host(8);
  for (const id of ["a", "b"]) await host.park(id);
  await host.parked.close();
  assert.deepEqual(host.ended.toSorted(), ["a", "b"]);
  assert.equal(await host.park("c"), false);
});

test("a slot that a machine needs is taken from the oldest parked one", async () => {
  const host = new Host(8);
  for (const id of ["a", "b"]) await host.park(id);
  let free = 0;
  const slots = slotsOverParked(
    {
      acquire: async () => {
        if (free === 0) throw new WrennError("host_full", { resource: "network slots" });
        free--;
        return { number: 1 } as Slot;
      },
      assignCapsule: () => {},
      assignTeam: nothing,
      applyPolicy: nothing,
      decisions: nothing,
      adopt: () => undefined,
      release: nothing,
      close: nothing,
    },
    () => host.parked,
    systemClock,
  );
  const signal = AbortSignal.timeout(10_000);
  const acquiring = slots.acquire(signal);
  await eventually("one has ended", () => host.ended.length > 0);
  // Its slot is removed a moment after it.
  free = 1;
  assert.equal((await acquiring).number, 1);
  assert.deepEqual(host.ended, ["a"]);
  await host.parked.end("b");
  await assert.rejects(slots.acquire(signal), { reason: "host_full" });
});

const nothing = (): Promise<never> => Promise.reject(new Error("not needed here"));
