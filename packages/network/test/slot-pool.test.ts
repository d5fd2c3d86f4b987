import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { DEFAULT_LIMITS } from "../src/slot-limits.ts";
import { namespaceName } from "../src/naming.ts";
import { openSlots } from "../src/slot-pool.ts";
import type { SlotPool } from "../src/slots-of-installation.ts";
import type { Slot } from "../src/slot.ts";
import { FakeKernel } from "./support/fake-kernel.ts";

const signal = new AbortController().signal;
const instance = { id: "1a2b", block: 11, uidBase: 300_000 };
const nameOf = (number: number): string => namespaceName(instance.id, number);

interface Lab {
  readonly kernel: FakeKernel;
  readonly pool: SlotPool;
  readonly log: string[];
  /** How the host network was closed. */
  readonly closed: string[];
  /** By number of their slots. */
  readonly capsules: ReadonlyMap<number, string>;
}

function open(size: number, orphans: readonly number[] = []): Lab {
  const kernel = new FakeKernel();
  for (const number of orphans) kernel.namespaces.add(nameOf(number));
  const log: string[] = [];
  const closed: string[] = [];
  const capsules = new Map<number, string>();
  const note = (event: string, fields = {}): void => void log.push(`${event} ${JSON.stringify(fields)}`);
  const pool = openSlots(
    {
      host: {
        instance,
        destinations: { opened: [] },
        policies: {
          open: async () => {},
          reopen: async () => {},
          close: async () => {},
          apply: async () => {},
          decisions: async () => [],
        },
        close: async (what) => void closed.push(what),
      },
      runner: kernel.run,
      capsules,
      teams: { assign: async () => {}, release: async () => {} },
      slotsInKernel: () => kernel.numbers(),
      known: new Map(),
      orphans,
      logger: { ...silentLogger, warn: note, error: note },
    },
    { size, limits: DEFAULT_LIMITS },
  );
  return { kernel, pool, log, closed, capsules };
}

test("of slots that are acquired, refilled and released at once each number has one holder", async () => {
  for (let round = 0; round < 2000; round += 1) {
    const { kernel, pool, log, closed } = open(round % 5);
    const held = new Map<number, Slot>();
    const acquire = async (): Promise<Slot> => {
      const slot = await pool.acquire(signal);
      assert.ok(!held.has(slot.number), `slot ${slot.number} was given out twice in round ${round}`);
      held.set(slot.number, slot);
      return slot;
    };
    const release = async (slot: Slot): Promise<void> => {
      held.delete(slot.number);
      await Promise.all([pool.release(slot), pool.release(slot)]);
    };
    const callers = Array.from({ length: 2 + (round % 7) }, async (_, at) => {
      const slot = await acquire();
      if ((at + round) % 3 > 0) return;
      await release(slot);
      await acquire();
    });
    await Promise.all(callers);
    for (const number of held.keys())
      assert.ok(kernel.namespaces.has(nameOf(number)), `slot ${number} was removed in round ${round}`);
    await Promise.all([...held.values()].map(release));
    await pool.close();
    assert.deepEqual([log, [...kernel.namespaces], closed], [[], [], ["remove"]], `round ${round}`);
  }
});

test("a set-up that fails removes only what it made, and its error names the slot and what ip reported", async () => {
  const { kernel, pool } = open(0);
  const first = await pool.acquire(signal);
  kernel.refuse = (line) => {
    if (line.startsWith("tuntap add")) throw new Error("ioctl(TUNSETIFF): Device or resource busy");
  };
  await assert.rejects(
    pool.acquire(signal),
    /setting up network slot 2: ip .* failed: .*TUNSETIFF.*Device or resource busy/,
  );
  assert.deepEqual([...kernel.namespaces], [nameOf(1)]);
  kernel.refuse = () => {};
  assert.equal((await pool.acquire(signal)).number, 2);
  await pool.release(first);
});

test("a slot is set up by one program, which starts the others", async () => {
  const { kernel, pool } = open(0);
  const started: string[] = [];
  const nested: string[] = [];
  kernel.refuse = (line) => void (line.startsWith("netns exec") ? nested : started).push(line);
  await pool.acquire(signal);
  assert.deepEqual(
    started.filter((line) => line.startsWith("ip -batch -")),
    ["ip -batch -"],
  );
  assert.deepEqual(
    nested.map((line) => line.split(" ")[3]),
    ["nft", "ip", "tc", "sysctl"],
    "rules stand before anything is forwarded",
  );
});

test("a set-up that is refused before it made anything, or is aborted, leaves its number free", async () => {
  const { kernel, pool } = open(0);
  kernel.refuse = (line) => {
    if (line.startsWith("netns add")) throw new Error("Operation not permitted");
  };
  await assert.rejects(pool.acquire(signal), /slot 1.*Operation not permitted/);
  kernel.refuse = () => {};
  const abort = new AbortController();
  const aborted = pool.acquire(abort.signal);
  setImmediate(() => abort.abort(new Error("left")));
  await assert.rejects(aborted, /left/);
  assert.deepEqual([...kernel.namespaces], []);
  assert.equal((await pool.acquire(signal)).number, 1);
});

test("a slot that appears in the kernel under a free number is not removed by the one that wants the number", async () => {
  const { kernel, pool, log, closed } = open(0);
  kernel.namespaces.add(nameOf(1));
  const slot = await pool.acquire(signal);
  assert.deepEqual([slot.number, kernel.namespaces.has(nameOf(1))], [2, true]);
  assert.deepEqual(log, ['network.slot_found {"slot":1}']);
  // Also when it appears between the look and the set-up.
  kernel.refuse = (line) => {
    if (line === `netns add ${nameOf(3)}`) kernel.namespaces.add(nameOf(3));
  };
  assert.equal((await pool.acquire(signal)).number, 4);
  assert.ok(kernel.namespaces.has(nameOf(3)));
  // It counts as a slot of an earlier run: the sweep removes it, and its number is free again.
  assert.deepEqual(await pool.sweep(), [1, 3]);
  kernel.refuse = () => {};
  assert.equal((await pool.acquire(signal)).number, 1);
  await pool.close();
  assert.deepEqual(closed, ["leave"]);
});

test("a slot that was released is not removed again when its number has another holder", async () => {
  const { kernel, pool } = open(0);
  const first = await pool.acquire(signal);
  await pool.release(first);
  const others: Slot[] = [];
  const second = await eventually("its number is free again", async () => {
    const slot = await pool.acquire(signal);
    if (slot.number === first.number) return slot;
    others.push(slot);
    return undefined;
  });
  for (const slot of others) await pool.release(slot);
  await pool.release(first);
  assert.ok(kernel.namespaces.has(nameOf(second.number)));
  await assert.rejects(pool.applyPolicy(first, { egress: "deny", allow: [], deny: [] }, signal), (error) =>
    WrennError.is(error, "invalid_field"),
  );
  await pool.release(second);
  assert.deepEqual([...kernel.namespaces], []);
});

test("a number is free once the connections of its slot are forgotten, and not while that fails", async () => {
  const { kernel, pool, log, closed } = open(0);
  await pool.sweep();
  kernel.refuse = (line) => {
    if (line.startsWith("conntrack")) throw new Error("busy");
  };
  const first = await pool.acquire(signal);
  await pool.release(first);
  assert.deepEqual([...kernel.namespaces], [], "the slot itself is gone");
  const second = await pool.acquire(signal);
  assert.notEqual(second.number, first.number);
  await eventually("it is reported", () => log.length > 0);
  assert.match(log[0] ?? "", /forget_failed .*"slot":1.*busy/);
  const refused: string[] = [];
  kernel.refuse = (line) => void refused.push(line);
  await pool.release(second);
  await pool.close();
  for (const { hostAddress } of [first, second])
    assert.ok(
      refused.some((line) => line === `conntrack --delete --orig-src ${hostAddress}`),
      hostAddress,
    );
  assert.deepEqual(closed, ["remove"]);
});

test("a number whose slot could not be removed is not given out, and is removed when the pool refills", async () => {
  const { kernel, pool, log } = open(0);
  await pool.sweep();
  kernel.refuse = (line) => {
    if (line.startsWith("tuntap add") || line.startsWith("netns del")) throw new Error("busy");
  };
  await assert.rejects(pool.acquire(signal), /busy/);
  assert.deepEqual(log, [
    'network.undo_failed {"slot":1,"problem":"removing network slot 1 failed: the kernel still holds it"}',
  ]);
  kernel.refuse = () => {};
  const slot = await pool.acquire(signal);
  assert.equal(slot.number, 2);
  await eventually("slot 1 is removed", () => !kernel.namespaces.has(nameOf(1)));
  // Its number is free a moment after the kernel has let go of it.
  await eventually("its number is given out", async () => (await pool.acquire(signal)).number === 1);
});

test("closing waits for a slot that is being made, and hands none out", async () => {
  const { kernel, pool, closed } = open(0);
  const waiting = assert.rejects(pool.acquire(signal));
  await pool.close();
  await waiting;
  assert.deepEqual([[...kernel.namespaces], closed], [[], ["remove"]]);
});

test("an orphan is either adopted or swept, also when both are asked for at once", async () => {
  const { kernel, pool } = open(0, [1, 2]);
  const sweeping = pool.sweep();
  assert.equal(pool.adopt(1), undefined, "its removal has begun");
  const adopted = pool.adopt(2);
  assert.equal(adopted?.number, 2);
  await sweeping;
  assert.deepEqual([...kernel.namespaces], [nameOf(2)]);
});

test("a slot has its capsule from its assignment or adoption until it is released", async () => {
  const { pool, capsules } = open(0, [1, 2]);
  const adopted = pool.adopt(1, { capsule: "cl-adopted" }) ?? assert.fail();
  pool.adopt(2);
  const acquired = await pool.acquire(signal);
  pool.assignCapsule(acquired, "cl-acquired");
  assert.deepEqual(Object.fromEntries(capsules), { 1: "cl-adopted", 3: "cl-acquired" });
  await pool.release(adopted);
  await pool.release(acquired);
  assert.equal(capsules.size, 0);
  assert.throws(() => pool.assignCapsule(acquired, "cl-late"), WrennError);
});

test("a slot that a killed process's program made late is removed by closing", async () => {
  const { kernel, pool, closed } = open(0);
  await pool.sweep();
  kernel.namespaces.add(nameOf(8));
  await pool.close();
  assert.deepEqual([[...kernel.namespaces], closed], [[], ["remove"]]);
});

test("while the kernel holds a slot, closing leaves the journal by which the next pool finds it", async () => {
  const early = open(0);
  early.kernel.namespaces.add(nameOf(7));
  await early.pool.close();
  assert.deepEqual([[...early.kernel.namespaces], early.closed], [[nameOf(7)], ["leave"]]);

  const late = open(0);
  await late.pool.sweep();
  late.kernel.namespaces.add(nameOf(7));
  late.kernel.refuse = (line) => {
    if (line.startsWith("netns del")) throw new Error("busy");
  };
  await assert.rejects(late.pool.close(), /slot 7.*still holds it/);
  assert.deepEqual(late.closed, ["leave"]);
});

test("every call of close settles once the pool is closed", async () => {
  const { kernel, pool, closed } = open(2);
  await eventually("slots are ready", () => kernel.namespaces.size === 2);
  const first = pool.close();
  await pool.close();
  assert.deepEqual([[...kernel.namespaces], closed], [[], ["remove"]]);
  await first;
});

test("a slot that cannot be removed does not keep the pool from refilling", async () => {
  const { kernel, pool, log } = open(2, [1]);
  kernel.refuse = (line) => {
    if (line === `netns del ${nameOf(1)}`) throw new Error("busy");
  };
  await assert.rejects(pool.sweep(), /slot 1.*still holds it/);
  await eventually("slots are ready", () => kernel.namespaces.size === 3);
  assert.equal((await pool.acquire(signal)).number, 2);
  await eventually("the slot that was taken is replaced", () => kernel.namespaces.has(nameOf(4)));
  await eventually("a refill has tried to remove it", async () => {
    await pool.acquire(signal);
    return log.length > 0;
  });
  assert.match(log.join(), /^network.sweep_failed .*slot 1/);
});

test("with slots of an earlier run the pool waits for the end of adoption; then it removes those that are left and is filled", async () => {
  const { kernel, pool, log } = open(1, [1, 2]);
  const lines: string[] = [];
  kernel.refuse = (line) => void lines.push(line);
  assert.equal(pool.adopt(1)?.number, 1);
  // Whatever a refill began would be there by now.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.equal(lines.length, 0);
  pool.endAdoption();
  await eventually("the slot that was not adopted is removed, and a new one is ready", () => {
    const removed = lines.indexOf(`netns del ${nameOf(2)}`);
    return removed !== -1 && lines.indexOf(`netns add ${nameOf(2)}`) > removed;
  });
  assert.equal((await pool.acquire(signal)).number, 2);
  assert.deepEqual(log, []);
});
