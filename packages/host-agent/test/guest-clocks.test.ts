import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, WrennError } from "@wrenn/core";
import type { HeldMachine } from "../src/machines/held-machine.ts";
import { GuestClocks } from "../src/machines/guest-clocks.ts";
import type { ClockedGuest } from "../src/machines/guest-clocks.ts";

const signal = AbortSignal.timeout(60_000);

/** Time that passes only when something takes long. */
class ManualTime {
  wall = 1_800_000_000_000;
  passed = 0;
  now = (): number => this.wall + this.passed;
  monotonic = (): number => this.passed;
}

/** A guest behind a link on which requests take `there` and answers `back` milliseconds, one after another. */
class DistantGuest {
  ahead = 0;
  steps = 0;
  slews = 0;
  readonly #time: ManualTime;
  readonly #delays: (readonly [there: number, back: number])[];
  readonly #slews: boolean;

  constructor(
    time: ManualTime,
    delays: readonly (readonly [there: number, back: number])[],
    { canSlew = true } = {},
  ) {
    this.#time = time;
    this.#delays = [...delays];
    this.#slews = canSlew;
  }

  configure: ClockedGuest["configure"] = async ({ wallClockNs, slewClock }) => {
    const back = this.#travel();
    const ahead = Number(wallClockNs) / 1e6 - this.#time.now();
    this.#time.passed += back;
    if (slewClock && !this.#slews) throw new WrennError("guest_protocol", { problem: "unknown flag" });
    if (slewClock) this.slews++;
    else this.steps++;
    this.ahead = ahead;
    return [];
  };

  info: ClockedGuest["info"] = async () => {
    const back = this.#travel();
    const wallClockNs = BigInt(Math.round((this.#time.now() + this.ahead) * 1e6));
    this.#time.passed += back;
    return { agentVersion: "", kernelRelease: "", instance: 0n, uptimeMs: 0, wallClockNs };
  };

  /** The last delays go on. Returns how long the answer takes. */
  #travel(): number {
    const [there, back] = (this.#delays.length > 1 ? this.#delays.shift() : this.#delays[0]) ?? [0, 0];
    this.#time.passed += there;
    return back;
  }
}

function lab(delays: readonly (readonly [number, number])[], options?: { readonly canSlew: boolean }) {
  const time = new ManualTime();
  const warnings: string[] = [];
  const clocks = new GuestClocks({
    clock: time,
    logger: { ...silentLogger, warn: (event) => void warnings.push(event) },
  });
  const guest = new DistantGuest(time, delays, options);
  const machine = { id: "machine" } as HeldMachine;
  return { time, clocks, guest, machine, warnings };
}

test("one quick request sets the clock", async () => {
  const { clocks, guest, machine } = lab([[3, 1]]);
  guest.ahead = -3_600_000;
  await clocks.renew(machine, guest, signal);
  assert.deepEqual([guest.steps, guest.ahead], [1, -3]);
  assert.equal(clocks.isDue(machine), false);
});

test("a request that took long is repeated", async () => {
  const { clocks, guest, machine } = lab([
    [900, 2],
    [40, 30],
    [4, 4],
  ]);
  await clocks.renew(machine, guest, signal);
  assert.equal(guest.steps, 4);
  assert.ok(Math.abs(guest.ahead) <= 4, `${guest.ahead} ms`);
});

test("on a link that is always slow the clock is within the tolerance, whichever way is the slow one", async () => {
  for (const delays of [
    [40, 40],
    [79, 1],
    [1, 79],
    [100, 0],
  ] as const) {
    const { clocks, guest, machine, warnings } = lab([delays]);
    await clocks.renew(machine, guest, signal);
    assert.ok(Math.abs(guest.ahead) <= 50, `${guest.ahead} ms after ${delays.join(" and ")}`);
    assert.deepEqual(warnings, []);
  }
});

test("a clock that cannot be set well is reported and looked at again", async () => {
  const { clocks, guest, machine, warnings } = lab([[400, 400]]);
  await clocks.renew(machine, guest, signal);
  assert.deepEqual(warnings, ["guest.clock_uncertain"]);
  assert.equal(clocks.isDue(machine), true);
});

test("a running clock is left alone, slewed or stepped by how far it is off", async () => {
  for (const [ahead, steps, slews] of [
    [0, 0, 0],
    [4, 0, 0],
    [-12, 0, 1],
    [45, 0, 1],
    [-60, 1, 0],
    [75, 1, 0],
    [3_600_000, 1, 0],
  ] as const) {
    const { clocks, guest, machine } = lab([[2, 2]]);
    guest.ahead = ahead;
    await clocks.check(machine, guest, signal);
    assert.deepEqual([guest.steps, guest.slews], [steps, slews], `${ahead} ms ahead`);
    assert.equal(clocks.isDue(machine), steps > 0, "what was stepped is looked at again");
  }
});

test("a slow answer is no reason to change a clock", async () => {
  const { clocks, guest, machine } = lab([[300, 10]]);
  await clocks.check(machine, guest, signal);
  assert.deepEqual([guest.steps, guest.slews], [0, 0]);
  assert.equal(clocks.isDue(machine), true);
});

test("a guest agent that cannot slew is stepped forwards only", async () => {
  for (const [ahead, steps] of [
    [-30, 1],
    [-10, 0],
    [30, 0],
  ] as const) {
    const { clocks, guest, machine } = lab([[1, 1]], { canSlew: false });
    guest.ahead = ahead;
    await clocks.check(machine, guest, signal);
    await clocks.check(machine, guest, signal);
    assert.deepEqual([guest.steps, guest.slews], [steps, 0], `${ahead} ms ahead`);
  }
});

test("a clock is looked at once a minute, and at once when it is in doubt", async () => {
  const { clocks, guest, machine, time } = lab([[1, 1]]);
  assert.equal(clocks.isDue(machine), true, "the first time");
  await clocks.check(machine, guest, signal);
  time.passed += 59_000;
  assert.equal(clocks.isDue(machine), false);
  time.passed += 1000;
  assert.equal(clocks.isDue(machine), true);
  await clocks.check(machine, guest, signal);
  clocks.doubt(machine);
  assert.equal(clocks.isDue(machine), true);
});
