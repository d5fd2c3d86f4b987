import { mkdir } from "node:fs/promises";
import { abortable, problemOf, randomHex, withDeadline } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { CapsuleDirectory } from "../capsules/capsule-directory.ts";
import { GUEST_ANSWER_MS, whileAlive } from "../machines/running-machine.ts";
import type { PreparedMachine } from "../machines/running-machine.ts";
import type { HostFacts } from "@wrenn/protocol";
import type { Disks } from "../disks/disks.ts";
import type { Host, HostAgentOptions } from "../host-agent-deps.ts";
import type { Machines } from "../machines/machines.ts";
import type { FrozenTemplate } from "../templates/frozen-template.ts";
import { HotKeys } from "./hot-keys.ts";

/** Machines are made after the create that asked for them is over, so that they do not slow it down. */
/** The overlay and logs of a waiting machine. */
const NEW_MACHINE_BYTES = 16 * 2 ** 20;
const REFILL_DELAY_MS = 300;
const TICK_MS = 30_000;
/** Parts of the host's memory that have to be free for another machine, and for those that wait to be kept. */
const FREE_TO_ADD = 0.25;
const FREE_TO_KEEP = 0.12;

/** What a waiting machine fits: the same template, sizes and disk, restored by the same hypervisor. */
export interface PoolShape {
  readonly template: FrozenTemplate;
  readonly diskMib: number;
}

export interface MachinePoolDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly machines: Pick<Machines<"acquire" | "release">, "hypervisor" | "slots" | "connectGuest">;
  readonly disks: Pick<Disks, "create" | "reserve">;
  readonly host: Pick<Host, "freeMemoryMib"> & { readonly facts: Pick<HostFacts, "memoryMib"> };
}

interface Waiting extends PreparedMachine {
  readonly key: string;
}

/**
 * Machines of the template that is asked for most, restored before their capsules are. One that waits holds a network slot
 * and about 30 MiB. It is dropped when its template is, when another template is asked for more, when it dies, and when the
 * host runs short of memory.
 */
export class MachinePool {
  readonly #deps: MachinePoolDeps;
  readonly #directory: string;
  readonly #size: number;
  readonly #hot = new HotKeys();
  readonly #shapes = new Map<string, PoolShape>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #waiting: readonly Waiting[] = [];
  #working: Promise<void> = Promise.resolve();

  constructor(
    deps: MachinePoolDeps,
    { capsulesDirectory, warmMachines = 0 }: Pick<HostAgentOptions, "capsulesDirectory" | "warmMachines">,
  ) {
    this.#deps = deps;
    this.#directory = capsulesDirectory;
    this.#size = warmMachines;
    this.#timer = setInterval(() => this.#settle(), TICK_MS);
    this.#timer.unref();
  }

  /** A waiting machine for a new capsule of this shape, which is the caller's from now on. */
  take(shape: PoolShape): PreparedMachine | undefined {
    if (this.#size === 0) return undefined;
    const key = keyOf(shape);
    this.#hot.use(key);
    this.#shapes.set(key, shape);
    const taken = this.#waiting.find((one) => one.key === key);
    this.#waiting = this.#waiting.filter((one) => one !== taken);
    this.#settle();
    return taken;
  }

  /** The template is removed. Resolves when no machine of it waits. */
  async drop(templateHash: string): Promise<void> {
    for (const [key, { template }] of this.#shapes) {
      if (template.hash !== templateHash) continue;
      this.#hot.forget(key);
      this.#shapes.delete(key);
    }
    this.#settle();
    await this.#working;
  }

  /** Ends every machine that waits. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    await this.#working;
    await this.#dropAllBut(undefined);
  }

  /** Drops what is not wanted and makes what is, one after another and behind whatever is being done. */
  #settle(): void {
    this.#working = this.#working.then(async () => {
      try {
        await this.#dropAllBut(this.#isShort(FREE_TO_KEEP) ? undefined : this.#hot.hottest());
        await this.#fill();
      } catch (error) {
        if (!this.#closing.signal.aborted)
          this.#deps.logger.error("pool.refill_failed", { problem: problemOf(error) });
      }
    });
  }

  async #fill(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      const key = this.#hot.hottest();
      const shape = key === undefined ? undefined : this.#shapes.get(key);
      if (key === undefined || !shape || signal.aborted || this.#isShort(FREE_TO_ADD)) return;
      if (this.#waiting.filter((one) => one.key === key).length >= this.#size) return;
      await this.#deps.clock.sleep(REFILL_DELAY_MS, signal);
      const made = { ...(await this.#prepare(shape, signal)), key };
      this.#waiting = [...this.#waiting, made];
      void made.machine.death.then(({ detail }) => {
        if (!this.#waiting.includes(made)) return;
        this.#waiting = this.#waiting.filter((one) => one !== made);
        this.#deps.logger.warn("pool.machine_died", { machine: made.name, problem: detail });
        this.#working = this.#working.then(() => this.#discard(made));
      });
    }
  }

  async #prepare({ template, diskMib }: PoolShape, signal: AbortSignal): Promise<PreparedMachine> {
    const deps = this.#deps;
    using _room = await deps.disks.reserve.claim(NEW_MACHINE_BYTES, "new");
    const name = `${CapsuleDirectory.pooled}${randomHex(deps.random, 8)}`;
    const directory = new CapsuleDirectory(this.#directory, name);
    await using release = new AsyncDisposableStack();
    const slot = await deps.machines.slots.acquire(signal);
    release.defer(() => deps.machines.slots.release(slot));
    release.defer(() => directory.remove());
    await mkdir(directory.disk, { recursive: true, mode: 0o700 });
    const disk = directory.overlay(0);
    await deps.disks.create({ path: disk, backing: template.disk, sizeMib: diskMib, uid: slot.uid }, signal);
    const machine = await deps.machines.hypervisor.restore(
      {
        id: name,
        directory: directory.run,
        ...template.shape,
        disk,
        diskMib,
        readable: template.readable,
        network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
        uid: slot.uid,
        gid: slot.uid,
        memoryFile: template.memoryFile,
        deviceState: template.deviceState,
        stopped: template.frozenProcesses,
      },
      signal,
    );
    release.defer(() => machine.destroy());
    const activity = { onActivity: () => {} };
    if (template.frozenProcesses) {
      release.move();
      return { machine, slot, name, activity };
    }
    const guest = await withDeadline("the guest agent's first answer", GUEST_ANSWER_MS, signal, (inner) =>
      whileAlive(
        machine,
        deps.machines.connectGuest(machine, () => activity.onActivity(), inner),
      ),
    );
    release.defer(() => guest.detach());
    await whileAlive(machine, abortable(signal, guest.connected()));
    await machine.stop(signal);
    release.move();
    return { machine, slot, name, activity, guest };
  }

  async #dropAllBut(key: string | undefined): Promise<void> {
    const dropped = this.#waiting.filter((one) => one.key !== key);
    this.#waiting = this.#waiting.filter((one) => one.key === key);
    for (const one of dropped) await this.#discard(one);
  }

  async #discard({ machine, guest, slot, name }: PreparedMachine): Promise<void> {
    try {
      await guest?.detach();
      await machine.destroy();
      await this.#deps.machines.slots.release(slot);
      await new CapsuleDirectory(this.#directory, name).remove();
    } catch (error) {
      this.#deps.logger.error("pool.discard_failed", { machine: name, problem: problemOf(error) });
    }
  }

  #isShort(part: number): boolean {
    return this.#deps.host.freeMemoryMib() < this.#deps.host.facts.memoryMib * part;
  }
}

function keyOf({ template, diskMib }: PoolShape): string {
  return `${template.hash}/${template.shape.vcpus}/${template.shape.memoryMib}/${diskMib}`;
}
