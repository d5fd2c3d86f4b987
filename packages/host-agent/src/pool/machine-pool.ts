import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { IdleMachines } from "@wrenn/protocol";
import type { HostAgentOptions } from "../host-agent-deps.ts";
import { FREE_TO_KEEP, measureMemory, missingMib } from "../machines/host-memory.ts";
import type { HostMemory } from "../machines/host-memory.ts";
import type { PreparedMachine } from "../machines/running-machine.ts";
import { discardMachine, prepareMachine } from "./prepare-machine.ts";
import type { PoolShape, PrepareMachineDeps } from "./prepare-machine.ts";
import type { RequestActivity } from "./request-activity.ts";
import { TemplateDemand } from "./template-demand.ts";

/** How often the memory of the host is looked at, and whether machines wait for longer than their template is expected. */
const TICK_MS = 5000;
/** After a failure no machine is made for this long. */
const RETRY_MS = 30_000;
/** Part of the host's memory that has to be free for another machine. */
const FREE_TO_ADD = 0.25;

export interface MachinePoolDeps extends Omit<PrepareMachineDeps, "capsulesDirectory"> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly activity: Pick<RequestActivity, "quiet" | "pause">;
  readonly host: HostMemory;
}

interface Waiting extends PreparedMachine {
  readonly key: string;
}

/** A machine that is being made. */
interface Refill {
  readonly key: string;
  readonly stopping: AbortController;
  /** Resolves when it waits, or when nothing of it is left. */
  readonly ended: PromiseWithResolvers<void>;
}

/**
 * Machines that are restored, and warmed up where no program is a user's, before their capsules are. One that waits holds a network
 * slot and some memory, and its processors stand still. Machines are made while no request is under way; they are dropped when their
 * template is, when others are used more, when they die, and at once when the host runs short of memory.
 */
export class MachinePool {
  readonly #deps: MachinePoolDeps & PrepareMachineDeps;
  readonly #size: number;
  readonly #demand: TemplateDemand<PoolShape>;
  #isClosed = false;
  #isAllowed = true;
  readonly #timer: NodeJS.Timeout;
  readonly #discarding = new Set<Promise<void>>();
  #waiting: readonly Waiting[] = [];
  #refill: Refill | undefined;
  #isFilling = false;
  /** Of the newest capsule: most hosts serve one team for a while. */
  #team: string | undefined;
  #retryAt = -Infinity;

  constructor(
    deps: MachinePoolDeps,
    { capsulesDirectory, warmMachines = 0 }: Pick<HostAgentOptions, "capsulesDirectory" | "warmMachines">,
  ) {
    this.#deps = { ...deps, capsulesDirectory };
    this.#size = warmMachines;
    this.#demand = new TemplateDemand(deps.clock);
    this.#timer = setInterval(() => this.#settle(), TICK_MS);
    this.#timer.unref();
  }

  /** A waiting machine for a new capsule of this shape, which is the caller's from now on. The next ones are made for `team`. */
  take(shape: PoolShape, team?: string): PreparedMachine | undefined {
    if (this.#size === 0) return undefined;
    this.#team = team;
    const key = keyOf(shape);
    this.#demand.use(key, shape);
    const taken = this.#waiting.find((one) => one.key === key);
    this.#waiting = this.#waiting.filter((one) => one !== taken);
    this.#settle(taken ? 0 : shape.template.shape.memoryMib);
    return taken;
  }

  /** A machine of this shape waits also when none was asked for yet. */
  expect(shape: PoolShape): void {
    this.#demand.expect(keyOf(shape), shape);
    this.#settle();
  }

  /** A machine with this much memory starts: those that wait end when the host would be short of memory. */
  makeRoom(memoryMib: number): void {
    this.#settle(memoryMib);
  }

  /** Whether machines may wait from now on; those that do are ended when not. */
  allow(isAllowed: boolean): void {
    this.#isAllowed = isAllowed;
    this.#settle();
  }

  /** The template is removed. Resolves when no machine of it waits or is being made. */
  async drop(templateHash: string): Promise<void> {
    this.#demand.forget(({ template }) => template.hash === templateHash);
    const refill = this.#refill;
    this.#settle();
    if (refill?.stopping.signal.aborted) await refill.ended.promise;
    await Promise.all(this.#discarding);
  }

  /** How many machines wait, and what their processes hold of the host's memory. */
  async measure(): Promise<IdleMachines> {
    return await measureMemory(this.#waiting.map(({ machine }) => machine.process.pid));
  }

  /** How many machines wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Ends every machine that waits. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosed = true;
    this.#settle();
    await this.#refill?.ended.promise;
    await Promise.all(this.#discarding);
  }

  /** Drops what is not wanted, at once, and has made what is. `needMib`: memory that is about to be used. */
  #settle(needMib = 0): void {
    const isEmptied = this.#isClosed || !this.#isAllowed || this.#isShort(FREE_TO_KEEP, needMib);
    const shares = this.#demand.shares(isEmptied ? 0 : this.#size);
    const kept = new Map<string, number>();
    const [wanted, surplus]: [Waiting[], Waiting[]] = [[], []];
    for (const one of this.#waiting) {
      const count = (kept.get(one.key) ?? 0) + 1;
      kept.set(one.key, count);
      (count <= (shares.get(one.key) ?? 0) ? wanted : surplus).push(one);
    }
    this.#waiting = wanted;
    for (const one of surplus) this.#discard(one);
    if (this.#refill && !shares.has(this.#refill.key)) this.#refill.stopping.abort();
    if (!this.#isFilling) void this.#fill();
  }

  /** Makes what is missing, one machine after another. */
  async #fill(): Promise<void> {
    this.#isFilling = true;
    for (let next = this.#missing(); next; next = this.#missing()) {
      const { key, shape } = next;
      const [stopping, ended] = [new AbortController(), Promise.withResolvers<void>()];
      const { signal } = stopping;
      this.#refill = { key, stopping, ended };
      try {
        await this.#deps.activity.quiet(signal);
        if (this.#missing()?.key !== key) continue;
        const made = { ...(await prepareMachine(shape, this.#team, this.#deps, signal)), key };
        if (signal.aborted) this.#discard(made);
        else this.#add(made);
      } catch (error) {
        if (signal.aborted) continue;
        this.#retryAt = this.#deps.clock.monotonic() + RETRY_MS;
        this.#deps.logger.error("pool.refill_failed", { problem: problemOf(error) });
      } finally {
        this.#refill = undefined;
        ended.resolve();
      }
    }
    this.#isFilling = false;
  }

  #missing(): { readonly key: string; readonly shape: PoolShape } | undefined {
    if (this.#isClosed || !this.#isAllowed || this.#size === 0) return undefined;
    if (this.#deps.clock.monotonic() < this.#retryAt) return undefined;
    for (const [key, share] of this.#demand.shares(this.#size)) {
      const shape = this.#demand.value(key);
      if (!shape || this.#waiting.filter((one) => one.key === key).length >= share) continue;
      return this.#isShort(FREE_TO_ADD, 0) ? undefined : { key, shape };
    }
    return undefined;
  }

  #add(made: Waiting): void {
    this.#waiting = [...this.#waiting, made];
    void made.machine.death.then(({ detail }) => {
      if (!this.#waiting.includes(made)) return;
      this.#waiting = this.#waiting.filter((one) => one !== made);
      this.#deps.logger.warn("pool.machine_died", { machine: made.name, problem: detail });
      this.#discard(made);
    });
  }

  #discard(one: Waiting): void {
    const discarded = discardMachine(one, this.#deps)
      .catch((error: unknown) => {
        this.#deps.logger.error("pool.discard_failed", { machine: one.name, problem: problemOf(error) });
      })
      .finally(() => this.#discarding.delete(discarded));
    this.#discarding.add(discarded);
  }

  #isShort(part: number, needMib: number): boolean {
    return missingMib(this.#deps.host, part, needMib) > 0;
  }
}

function keyOf({ template, diskMib }: PoolShape): string {
  return `${template.hash}/${template.shape.vcpus}/${template.shape.memoryMib}/${diskMib}`;
}
