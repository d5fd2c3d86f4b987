import type { Clock, Logger } from "@wrenn/core";
import type { Slot } from "@wrenn/network";
import type { IdleMachines } from "@wrenn/protocol";
import type { Capsule } from "../capsules/capsule.ts";
import type { HostAgentOptions } from "../host-agent-deps.ts";
import type { HeldMachine } from "../machines/held-machine.ts";
import { FREE_TO_KEEP, measureMemory, missingMib, readOwnMemory } from "../machines/host-memory.ts";
import type { HostMemory } from "../machines/host-memory.ts";

/** After this long paused, the machine of a capsule ends. */
export const PARKED_MS: number = 5 * 60_000;
/** How often the free memory of the host is read. */
const TICK_MS = 1000;
/** Part of the host's free memory that parked machines hold at most. */
const PART_OF_FREE = 0.25;
const MIB = 2 ** 20;

/** The stopped machine of a paused capsule. */
export interface ParkedMachine {
  readonly machine: HeldMachine;
  readonly slot: Slot;
  /** Id of the generation whose memory and devices it has. */
  readonly generation: string;
  /** Number of the overlay that it writes when it runs again. */
  readonly overlay: number;
}

export interface ParkedMachinesDeps {
  readonly clock: Pick<Clock, "sleep">;
  readonly logger: Logger;
  readonly host: HostMemory;
  /** Memory of a process that is free again without it, bytes. */
  readonly readMemory?: (pid: number) => Promise<number>;
  /** Ends the machine of a capsule, and gives its slot back. */
  readonly release: (capsule: Capsule, parked: ParkedMachine) => Promise<void>;
}

interface Parked extends ParkedMachine {
  readonly capsule: Capsule;
  /** Memory that is free again without it. */
  readonly bytes: number;
  readonly leaving: AbortController;
}

/**
 * The machines of paused capsules that have not ended yet: their processors stand still, and a resume lets them run instead of
 * starting one from disk. They hold memory only until anyone needs it. The oldest end first: when a machine starts that would
 * leave the host short of memory, when the host becomes short of it, and when there are too many. Each ends after five minutes.
 * What a capsule resumes from is on disk in any case.
 */
export class ParkedMachines {
  readonly #deps: ParkedMachinesDeps;
  readonly #limit: number;
  readonly #timer: NodeJS.Timeout;
  /** By the ids of their capsules, the oldest first. */
  readonly #parked = new Map<string, Parked>();
  readonly #ending = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(
    deps: ParkedMachinesDeps,
    { parkedMachines = 0 }: Pick<HostAgentOptions, "parkedMachines"> = {},
  ) {
    this.#deps = deps;
    this.#limit = parkedMachines;
    this.#timer = setInterval(() => void this.makeRoom(0), TICK_MS);
    this.#timer.unref();
  }

  /**
   * Keeps the machine of a capsule that was paused, unless the host is short of memory or the machine holds more than parked machines
   * may together. Runs in the capsule's queue.
   *
   * @param prepare - called once it is known that the machine is kept.
   * @returns false when it is not: the caller ends it.
   */
  async park(
    capsule: Capsule,
    { machine, slot }: Pick<ParkedMachine, "machine" | "slot">,
    prepare: () => Promise<Pick<ParkedMachine, "generation" | "overlay">>,
  ): Promise<boolean> {
    if (this.#isClosed || this.#limit === 0 || missingMib(this.#deps.host, FREE_TO_KEEP, 0) > 0) return false;
    const bytes = await (this.#deps.readMemory ?? readOwnMemory)(machine.process.pid);
    if (bytes > this.#mostBytes(bytes)) return false;
    const prepared = await prepare();
    // The host agent has begun to end.
    if (this.#isClosed) return false;
    this.#keep({ machine, slot, ...prepared, capsule, bytes, leaving: new AbortController() });
    return true;
  }

  /**
   * The machine of a paused capsule, if it has the memory of this generation: it is the caller's from now on. Any other ends. Runs
   * in the capsule's queue.
   */
  async take({ id }: Pick<Capsule, "id">, generation: string): Promise<ParkedMachine | undefined> {
    const parked = this.#parked.get(id);
    if (parked?.generation !== generation) {
      await this.end(id);
      return undefined;
    }
    this.#forget(parked);
    return parked;
  }

  /** Ends the machine of a capsule, if there is one. Resolves when its directory may be used again. */
  async end(id: string): Promise<void> {
    const parked = this.#parked.get(id);
    if (parked) this.#end(parked);
    await this.#ending.get(id);
  }

  /** Ends the machine that is parked for longest. @returns false when none is. */
  async endOldest(): Promise<boolean> {
    const [oldest] = this.#parked.keys();
    if (oldest === undefined) return false;
    await this.end(oldest);
    return true;
  }

  /**
   * A machine starts with this much memory: those that have to make way for it have ended when this resolves.
   *
   * @param resumed - the capsule that it starts for, whose own machine does not.
   */
  async makeRoom(needMib: number, resumed?: string): Promise<void> {
    let missing = missingMib(this.#deps.host, FREE_TO_KEEP, needMib) * MIB;
    const ends: Promise<void>[] = [];
    for (const [id, { bytes }] of this.#parked) {
      if (missing <= 0) break;
      if (id === resumed) continue;
      missing -= bytes;
      ends.push(this.end(id));
    }
    await Promise.all(ends);
  }

  /** How many machines are parked, and what their processes hold of the host's memory. */
  async measure(): Promise<IdleMachines> {
    return await measureMemory([...this.#parked.values()].map(({ machine }) => machine.process.pid));
  }

  /** Ends all of them; none is parked any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosed = true;
    await Promise.all([...this.#parked.keys()].map((id) => this.end(id)));
    await Promise.all(this.#ending.values());
  }

  #keep(parked: Parked): void {
    const { capsule, machine, leaving } = parked;
    this.#parked.set(capsule.id, parked);
    const end = (): void => {
      if (this.#parked.get(capsule.id) === parked) this.#end(parked);
    };
    void machine.death.then(({ detail }) => {
      if (this.#parked.get(capsule.id) !== parked) return;
      this.#deps.logger.warn("capsule.parked_machine_died", { capsule: capsule.id, problem: detail });
      end();
    });
    this.#deps.clock.sleep(PARKED_MS, leaving.signal).then(end, () => {});
    this.#trim();
  }

  /** Ends the oldest ones as long as there are too many, or as they hold too much together. */
  #trim(): void {
    for (const parked of this.#parked.values()) {
      if (this.#parked.size <= this.#limit && this.#heldBytes() <= this.#mostBytes(this.#heldBytes())) return;
      this.#end(parked);
    }
  }

  #heldBytes(): number {
    return [...this.#parked.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What parked machines may hold together, where what they hold now is not free. */
  #mostBytes(heldBytes: number): number {
    return PART_OF_FREE * (this.#deps.host.freeMemoryMib() * MIB + heldBytes);
  }

  #forget({ capsule, leaving }: Parked): void {
    this.#parked.delete(capsule.id);
    leaving.abort();
  }

  #end(parked: Parked): void {
    const { id } = parked.capsule;
    this.#forget(parked);
    const ending = this.#deps.release(parked.capsule, parked).finally(() => {
      if (this.#ending.get(id) === ending) this.#ending.delete(id);
    });
    this.#ending.set(id, ending);
  }
}
