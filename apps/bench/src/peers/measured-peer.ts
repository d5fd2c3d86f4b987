import { setTimeout } from "node:timers/promises";
import { timed } from "../row.ts";
import { peerMeasures } from "./peer.ts";
import type { OpenPeer, Peer, PeerMachine, PeerMeasure } from "./peer.ts";

const AT_ONCE = 10;
/** Until what a start leaves to do in a machine is done. */
const SETTLE_MS = 3000;

/** What is known of one peer after some rounds. */
export interface PeerResult {
  readonly name: string;
  readonly isolates: string;
  readonly isWrenn: boolean;
  /** One number for each round. */
  readonly samples: Partial<Readonly<Record<PeerMeasure, readonly number[]>>>;
  /** Why a measure has no samples. */
  readonly unavailable: Partial<Readonly<Record<PeerMeasure, string>>>;
}

/** Steps of a round. Each peer takes a step before any takes the next one, so that their numbers are from the same moment. */
export const peerSteps = [
  ["firstOutput", "destroy"],
  ["exec"],
  ["upload"],
  ["download"],
  ["pauseAndResume"],
  ["tenAtOnce", "idleMemory"],
] as const satisfies readonly (readonly PeerMeasure[])[];

export type PeerStep = (typeof peerSteps)[number];
type Numbers = Partial<Record<PeerMeasure, number>>;

/**
 * A peer while it is measured. A measure that fails is not tried again: the reason is kept, and the others go on.
 */
export class MeasuredPeer {
  readonly #peer: Peer;
  readonly #signal: AbortSignal;
  #open: OpenPeer | undefined;
  /** Runs on from round to round, for what is done in a running machine. */
  #running: PeerMachine | undefined;
  readonly #samples: Partial<Record<PeerMeasure, number[]>> = {};
  readonly #unavailable: Partial<Record<PeerMeasure, string>>;

  constructor(peer: Peer, signal: AbortSignal) {
    this.#peer = peer;
    this.#signal = signal;
    this.#unavailable = { ...peer.lacks };
  }

  get name(): string {
    return this.#peer.name;
  }

  /** @param missing - Debian packages of the programs that are not installed. */
  async prepare(missing: readonly string[]): Promise<void> {
    if (missing.length > 0) {
      this.#fail(allMeasures, `not installed: apt install ${missing.join(" ")}`);
      return;
    }
    await this.#attempt(allMeasures, async () => {
      this.#open = await this.#peer.open(this.#signal);
    });
    await this.#attempt(["exec", "upload", "download"], async () => {
      this.#running = (await this.#start()).machine;
    });
  }

  /** @param counts - whether the round is more than a warm-up. */
  async take(step: PeerStep, counts: boolean): Promise<void> {
    await this.#attempt(step, async () => {
      const numbers = await this.#measure(step[0]);
      if (!counts) return;
      for (const measure of step) {
        const value = numbers[measure];
        if (value !== undefined && this.#unavailable[measure] === undefined)
          (this.#samples[measure] ??= []).push(value);
      }
    });
  }

  result(): PeerResult {
    const { name, isolates, isWrenn = false } = this.#peer;
    return {
      name,
      isolates,
      isWrenn,
      samples: structuredClone(this.#samples),
      unavailable: { ...this.#unavailable },
    };
  }

  /** After an abort, what cannot be removed by the peer goes with the server of the run. */
  async dispose(): Promise<void> {
    try {
      await using stack = new AsyncDisposableStack();
      if (this.#open) stack.defer(this.#open.dispose);
      await this.#running?.end();
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  async #measure(kind: PeerStep[0]): Promise<Numbers> {
    if (kind === "firstOutput") {
      const { ms, machine } = await this.#start();
      return { firstOutput: ms, destroy: await timed(() => machine.end()) };
    }
    if (kind === "tenAtOnce") return await this.#startTen();
    if (kind === "pauseAndResume") {
      // A failed pause may leave the machine in any state.
      const { machine } = await this.#start();
      await using undo = new AsyncDisposableStack();
      undo.defer(() => machine.end());
      return { pauseAndResume: await machine.pauseAndResume(this.#signal) };
    }
    if (!this.#running) throw new Error("no machine runs");
    return { [kind]: await this.#running[kind](this.#signal) };
  }

  async #startTen(): Promise<Numbers> {
    const begunAt = performance.now();
    const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, () => this.#start()));
    const elapsed = performance.now() - begunAt;
    const machines = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value.machine] : []));
    await using undo = new AsyncDisposableStack();
    undo.defer(async () => void (await Promise.all(machines.map((machine) => machine.end()))));
    for (const one of outcomes) if (one.status === "rejected") throw one.reason;
    await setTimeout(SETTLE_MS, undefined, { signal: this.#signal });
    const sizes = await Promise.all(machines.map((machine) => machine.memoryMiB()));
    return { tenAtOnce: elapsed, idleMemory: sizes.reduce((sum, mib) => sum + mib, 0) / AT_ONCE };
  }

  async #start(): ReturnType<OpenPeer["start"]> {
    if (!this.#open) throw new Error(`${this.name} is not open`);
    return await this.#open.start(this.#signal);
  }

  /** Does nothing where every one of the measures is known to be unavailable. */
  async #attempt(measures: readonly PeerMeasure[], task: () => Promise<void>): Promise<void> {
    if (measures.every((measure) => this.#unavailable[measure] !== undefined)) return;
    try {
      await task();
    } catch (error) {
      this.#signal.throwIfAborted();
      this.#fail(measures, error instanceof Error ? error.message : String(error));
    }
  }

  /** Reasons that are known already stay. */
  #fail(measures: readonly PeerMeasure[], reason: string): void {
    for (const measure of measures) this.#unavailable[measure] ??= reason;
  }
}

const allMeasures = Object.keys(peerMeasures) as readonly PeerMeasure[];
