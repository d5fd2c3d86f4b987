import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { silentLogger, WrennError } from "@wrenn/core";
import { isAlive } from "@wrenn/system";
import { createQemuHypervisor } from "@wrenn/vmm";
import type { Hypervisor, Machine, MachineDeath } from "@wrenn/vmm";
import { longestTurn, openThreadClock } from "../support/loop-turns.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/*
 * VMM processes that have been taken over, against the real driver, which is in this process as it is in a server. An honest machine is
 * used beside them. With --long for WRENN_HOSTILE_SECONDS (600), the attacks in an order that the seed draws.
 */

const long = process.env["WRENN_TEST_LONG"] === "1";
const seconds = long ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 0;
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
const MIB = 1 << 20;
/** With what the garbage collector has not got to yet. */
const MOST_GROWTH = 500 * MIB;
/** What is left of all attacks. */
const MOST_HELD = 32 * MIB;
/** Of a command to the honest machine, on a busy host. */
const SERVED_MS = 3000;
/** Processor time of one turn of the event loop. */
const LONGEST_TURN_MS = 250;
const uid = 199_300;

const directory = await mkdtemp("/tmp/wh-");
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true, force: true }));
const program = join(directory, "vmm");
const source = join(import.meta.dirname, "../support/hostile-vmm-process.ts");
await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${source} "$@"\n`, { mode: 0o755 });

const hypervisor: Hypervisor = await createQemuHypervisor({
  logger: silentLogger,
  accelerator: "tcg",
  tscKhz: 1_000_000,
  jail: program,
  qemu: program,
  shim: "/nowhere/shim",
  cacheDirectory: directory,
  hasRoom: async () => true,
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes of objects and buffers. */
function heldBytes(): number {
  // What the first collection finalises, the second collects.
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let machines = 0;

async function boot(trick: string): Promise<Machine> {
  const number = ++machines;
  const at = (name: string): string => join(directory, `${name}-${number}`);
  return await hypervisor.boot(
    {
      id: `hostile-${process.pid}-${number}`,
      directory: at(trick),
      vcpus: 1,
      memoryMib: 64,
      disk: at("disk"),
      diskMib: 64,
      readable: [],
      uid,
      gid: uid,
      kernel: at("kernel"),
      initramfs: at("initramfs"),
      memoryFile: at("memory"),
    },
    AbortSignal.timeout(30_000),
  );
}

/** How a call ends that may not end well. */
async function failure(work: Promise<unknown>): Promise<WrennError> {
  const begun = performance.now();
  const error: unknown = await work.then(
    (value) => assert.fail(`it succeeded: ${JSON.stringify(value)}`),
    (problem: unknown) => problem,
  );
  assert.ok(error instanceof WrennError, String(error));
  assert.ok(error.message.length < 700 && !/[^\u0020-\u007e]/.test(error.message), error.message);
  assert.ok(performance.now() - begun < 15_000, `${error.message} after ${performance.now() - begun} ms`);
  return error;
}

/** That the machine is reported as crashed, and that nothing of it runs. */
async function crash(machine: Machine, detail: RegExp): Promise<void> {
  const death = await Promise.race([machine.death, sleep(20_000, undefined, { ref: false })]);
  assert.ok(death, "its death is not reported");
  assert.equal(death.kind, "crashed", death.detail);
  assert.match(death.detail, detail);
  assert.equal(await isAlive(machine.process), false, "its process lives");
}

type Attack = (machine: Machine, signal: AbortSignal) => Promise<void>;

/** A call that breaks the protocol: its error names the machine, which is ended. */
const breaks =
  (call: (machine: Machine, signal: AbortSignal) => Promise<unknown>, how: RegExp): Attack =>
  async (machine, signal) => {
    const { reason, message } = await failure(call(machine, signal));
    assert.equal(reason, "machine_died", message);
    assert.match(message, new RegExp(`QEMU of machine ${machine.id} broke its protocol: `));
    await crash(machine, how);
    assert.equal((await failure(machine.resume(signal))).reason, "machine_died");
  };

const stop = (machine: Machine, signal: AbortSignal): Promise<void> => machine.stop(signal);

const attacks: Readonly<Record<string, Attack>> = {
  "null-line": breaks(stop, /broke its protocol: a line that is not an object: null/),
  "long-line": breaks(stop, /a line of more than 1048576 characters/),
  "deep-answer": breaks(stop, /answer to stop lacks an object/),
  "other-form": breaks((machine, signal) => machine.activeDisk(signal), /query-block lacks an object/),
  "unsent-command": breaks(stop, /command 1000000, which was not sent/),
  "odd-disk": async (machine, signal) => {
    const { reason, message } = await failure(machine.activeDisk(signal));
    assert.equal(reason, "operation_failed");
    assert.ok(message.includes(machine.id) && !message.includes("passwd"), message);
  },
  silent: async (machine, signal) => {
    const { reason, message } = await failure(machine.stop(signal));
    assert.equal(reason, "deadline_exceeded", message);
    assert.ok(message.includes(machine.id), message);
  },
  "reads-nothing": async (machine, signal) => {
    assert.equal((await failure(machine.stop(signal))).reason, "deadline_exceeded");
    for (let call = 0; call < 200; call++)
      await failure(machine.activeDisk(AbortSignal.any([signal, abortedSoon()]))).catch(() => {});
  },
  "event-flood": async (machine, signal) => {
    const { reason } = await failure(machine.stop(signal));
    assert.match(reason, /^(deadline_exceeded|operation_failed|machine_died)$/);
  },
  "lost-socket": async (machine, signal) => {
    assert.equal((await failure(machine.stop(signal))).reason, "machine_died");
    await crash(machine, /closed its control socket and did not exit/);
  },
  "false-shutdown": async (machine, signal) => {
    await failure(machine.stop(signal));
    await crash(machine, /^signal 11/);
  },
  "console-link": async (machine, signal) => {
    await failure(machine.stop(signal));
    await crash(machine, /^the process is gone$/);
  },
  "endless-state": async (machine, signal) => {
    await machine.stop(signal);
    const state = join(directory, `${machine.id}.state`);
    assert.match(
      (await failure(machine.saveDeviceState(state, signal))).message,
      /sends more than 67108864 bytes/,
    );
    assert.ok((await stat(state)).size <= 64 * MIB);
    await rm(state);
  },
  "empty-state": async (machine, signal) => {
    await machine.stop(signal);
    const state = join(directory, `${machine.id}.state`);
    assert.match((await failure(machine.saveDeviceState(state, signal))).message, /sends nothing/);
  },
  "false-states": async (machine, signal) => {
    assert.equal((await failure(machine.stop(signal))).reason, "machine_died");
    await crash(machine, /^QEMU gave up the machine, its state is x{30}-y{30}$/);
  },
};

const boots: Readonly<Record<string, RegExp>> = {
  "boot-noise": /machine_start_failed/,
  "boot-silence": /deadline_exceeded|machine_start_failed/,
};

function abortedSoon(): AbortSignal {
  return AbortSignal.timeout(2);
}

async function play(name: string): Promise<void> {
  try {
    const wanted = boots[name];
    if (wanted) {
      assert.match((await failure(boot(name))).reason, wanted);
      return;
    }
    const machine = await boot(name);
    try {
      await attacks[name]?.(machine, AbortSignal.timeout(60_000));
    } finally {
      await machine.destroy();
    }
    const death: MachineDeath = await machine.death;
    assert.ok(death.detail.length < 1000 && !death.detail.includes("root:"), death.detail);
    assert.equal(await isAlive(machine.process), false);
  } catch (error) {
    throw new Error(`attack ${name}`, { cause: error });
  }
}

/** Uses an honest machine until it is over. @returns the slowest call in ms, and how many there were. */
async function useHonestly(
  machine: Machine,
  over: AbortSignal,
): Promise<readonly [slowest: number, calls: number]> {
  const signal = AbortSignal.timeout((seconds + 120) * 1000);
  let [slowest, calls] = [0, 0];
  while (!over.aborted) {
    for (const call of [
      () => machine.stop(signal),
      () => machine.activeDisk(signal),
      () => machine.resume(signal),
    ]) {
      const begun = performance.now();
      await call();
      slowest = Math.max(slowest, performance.now() - begun);
      calls++;
    }
    await sleep(50);
  }
  return [slowest, calls];
}

test(
  `VMM processes that have been taken over cost the server little, and others are served (seed ${seed})`,
  { timeout: (seconds + 120) * 1000 },
  async (t) => {
    const random = new SeededRandom(seed);
    const names = [...Object.keys(attacks), ...Object.keys(boots)];
    const honest = await boot("honest");
    const over = new AbortController();
    const used = useHonestly(honest, over.signal);
    used.catch(() => {});
    const [before, heldBefore] = [process.memoryUsage().rss, heldBytes()];
    const failures: unknown[] = [];
    let [most, played] = [0, 0];
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - before)), 100);
    const until = performance.now() + seconds * 1000;
    const longest = await longestTurn(openThreadClock(), async () => {
      const queue = names.toSorted(() => random.next() - 0.5);
      const worker = async (): Promise<void> => {
        for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
          await play(name).catch((error: unknown) => failures.push(error));
          played++;
          if (queue.length === 0 && performance.now() < until)
            queue.push(...names.toSorted(() => random.next() - 0.5));
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
    });
    clearInterval(watch);
    over.abort();
    const [use] = await Promise.allSettled([used]);
    await honest.destroy();
    if (use.status === "rejected") throw use.reason;
    const [slowest, calls] = use.value;
    const held = heldBytes() - heldBefore;
    t.diagnostic(
      `${played} attacks, ${calls} honest calls, the slowest ${Math.round(slowest)} ms, longest turn ${Math.round(longest)} ms, ` +
        `${Math.round(most / MIB)} MiB more at most, ${(held / MIB).toFixed(1)} MiB held`,
    );
    if (failures.length > 0) throw new AggregateError(failures, "an attack had another outcome");
    assert.ok(played >= names.length);
    assert.ok(slowest < SERVED_MS, `an honest call took ${slowest} ms`);
    assert.ok(most < MOST_GROWTH, `${most / MIB} MiB`);
    assert.ok(held < MOST_HELD, `${held / MIB} MiB are held`);
    assert.ok(longest < LONGEST_TURN_MS, `${longest} ms in one turn`);
    assert.equal((await honest.death).kind, "asked");
  },
);
