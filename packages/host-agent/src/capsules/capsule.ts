import { WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Slot } from "@wrenn/network";
import type { CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import type { Machine } from "@wrenn/vmm";
import type { ServedPages } from "../memory/memory.ts";
import type { CapsuleDirectory } from "./capsule-directory.ts";
import type { CapsuleRecord } from "./capsule-record.ts";

/** What a capsule holds while it has a machine. */
export interface RunningParts {
  readonly machine: Machine;
  readonly guest: GuestLink;
  readonly slot: Slot;
  /** While the machine's memory may be incomplete: what brings it in. */
  readonly pages?: ServedPages;
}

/** One capsule in the memory of the host agent. Its state changes only inside the capsule's queue. */
export class Capsule {
  readonly directory: CapsuleDirectory;
  readonly metadata: Record<string, string> = {};
  lastActiveAt: number;
  /** The link to a paused capsule, which its open streams wait for. */
  suspended: GuestLink | undefined;
  #record: CapsuleRecord;
  #state: CapsuleStatus["state"];
  #parts: RunningParts | undefined;
  #problem: string | undefined;
  readonly #onChange: (status: CapsuleStatus) => void;

  constructor(
    record: CapsuleRecord,
    directory: CapsuleDirectory,
    now: number,
    onChange: (status: CapsuleStatus) => void,
  ) {
    this.#record = record;
    this.directory = directory;
    this.lastActiveAt = now;
    this.#onChange = onChange;
    this.#state = record.state;
    Object.assign(this.metadata, record.template.metadata);
  }

  get id(): string {
    return this.#record.spec.id;
  }

  get spec(): CapsuleSpec {
    return this.#record.spec;
  }

  get record(): CapsuleRecord {
    return this.#record;
  }

  get state(): CapsuleStatus["state"] {
    return this.#state;
  }

  /** Machine, guest and slot, if the capsule has them; whatever its state. */
  get parts(): RunningParts | undefined {
    return this.#parts;
  }

  /** Changes the record on disk, then in memory. */
  async save(change: Partial<CapsuleRecord>): Promise<void> {
    await this.replace({ ...this.#record, ...change });
  }

  /** Replaces the record on disk, then in memory. */
  async replace(record: CapsuleRecord): Promise<void> {
    await this.directory.writeRecord(record);
    this.#record = record;
  }

  /** @throws WrennError `capsule_not_running` unless the capsule runs. */
  running(): RunningParts {
    if (this.#state !== "running" || !this.#parts) {
      throw new WrennError("capsule_not_running", { status: this.publicState() });
    }
    return this.#parts;
  }

  /** Enters a state; observers hear of it. */
  enter(state: CapsuleStatus["state"], parts?: RunningParts): void {
    this.#state = state;
    this.#parts = parts;
    this.#onChange(this.status());
  }

  /** The capsule lost its machine or never got one; `problem` says why. */
  fail(problem: string): void {
    this.#problem = problem;
    this.enter("failed");
  }

  /** Gives up the machine and what it did: the capsule is paused at the generation that it was last resumed from. */
  async fallBack(): Promise<void> {
    const { slot: _released, served: _incomplete, ...kept } = this.#record;
    await this.replace({ ...kept, state: "paused" });
    await this.directory.tidy(this.#record);
    this.enter("paused");
  }

  status(): CapsuleStatus {
    return {
      id: this.id,
      state: this.#state,
      template: this.spec.template,
      vcpus: this.spec.vcpus,
      memoryMib: this.spec.memoryMib,
      ...(this.#parts ? { hostAddress: this.#parts.slot.hostAddress } : {}),
      lastActiveAt: this.lastActiveAt,
      metadata: this.metadata,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /** The state in the words of the public API, whose vocabulary is closed (contract 00 §4). */
  publicState(): string {
    switch (this.#state) {
      case "creating":
        return "pending";
      case "running":
        return "running";
      case "pausing":
      case "paused":
      case "resuming":
        return "paused";
      case "destroying":
      case "gone":
        return "stopped";
      case "failed":
        return "error";
    }
  }
}
