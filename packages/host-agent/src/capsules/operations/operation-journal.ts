import { PhaseLog } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { phaseOfStep } from "../../steps.ts";
import type { Operation, Step, StepJournal, StepObserver } from "../../steps.ts";
import type { Capsule } from "../capsule.ts";
import type { JournalEntry } from "../capsule-record.ts";

export interface OperationJournalDeps {
  readonly clock: Clock;
  readonly onStep?: StepObserver;
}

/**
 * Writes each step of an operation to the capsule's journal before it is done: recovery starts from what it says. It also measures
 * where the time goes.
 */
export class OperationJournal<O extends Operation> {
  readonly phases: PhaseLog;
  readonly #capsule: Capsule;
  readonly #operation: O;
  readonly #deps: OperationJournalDeps;
  readonly #signal: AbortSignal | undefined;
  #details: Pick<JournalEntry, "layer" | "template"> = {};

  /** @param signal Once it is aborted, steps reject instead of being written. */
  constructor(capsule: Capsule, operation: O, deps: OperationJournalDeps, signal?: AbortSignal) {
    this.phases = new PhaseLog(deps.clock);
    this.#capsule = capsule;
    this.#operation = operation;
    this.#deps = deps;
    this.#signal = signal;
  }

  /** What recovery has to know besides the step; part of every entry from now on. */
  add(details: Pick<JournalEntry, "layer" | "template">): void {
    this.#details = { ...this.#details, ...details };
  }

  readonly step: StepJournal<O> = async (step: Step<O>) => {
    this.#signal?.throwIfAborted();
    const phase = phaseOfStep[step];
    if (phase === undefined) this.phases.end();
    else this.phases.begin(phase);
    const { clock, onStep } = this.#deps;
    const entry = { operation: this.#operation, step, at: clock.now(), ...this.#details };
    await this.#capsule.directory.writeJournal(entry);
    await onStep?.(this.#capsule.id, this.#operation, step);
  };

  /** No operation is in flight: recovery has nothing to finish or to roll back. */
  async clear(): Promise<void> {
    await this.#capsule.directory.clearJournal(this.#deps.clock.now());
  }
}
