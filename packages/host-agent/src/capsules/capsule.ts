import { defined, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleSpec, CapsuleStatus, FullDisk, OutOfMemory } from "@wrenn/protocol";
import type { RunningMachine } from "../machines/running-machine.ts";
import type { Generation } from "../generations/generation.ts";
import type { CapsuleDirectory } from "./capsule-directory.ts";
import type { CapsuleRecord } from "./capsule-record.ts";

/** One capsule in the memory of the host agent. Its state changes only inside the capsule's queue. */
export class Capsule {
  readonly directory: CapsuleDirectory;
  readonly metadata: Record<string, string> = {};
  lastActiveAt: number;
  /** The link to a paused capsule, which its open streams wait for. */
  suspended: GuestLink | undefined;
  /** Whether the guest of the running capsule answers; undefined while that is not known. */
  health: CapsuleStatus["health"];
  /** What the guest's disk had none of when it was last measured; undefined before. */
  fullDisk: readonly FullDisk[] | undefined;
  /** That the guest's memory was full, the last time. */
  outOfMemory: OutOfMemory | undefined;
  #record: CapsuleRecord;
  #state: CapsuleStatus["state"];
  #running: RunningMachine | undefined;
  #problem: string | undefined;
  /** How many pieces of {@link unnoticed} work are under way. */
  #unnoticed = 0;
  readonly #clock: Pick<Clock, "now">;
  readonly #onChange: (status: CapsuleStatus) => void;

  constructor(
    record: CapsuleRecord,
    directory: CapsuleDirectory,
    clock: Pick<Clock, "now">,
    onChange: (status: CapsuleStatus) => void,
  ) {
    this.#record = record;
    this.directory = directory;
    this.#clock = clock;
    this.lastActiveAt = clock.now();
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
  get running(): RunningMachine | undefined {
    return this.#running;
  }

  /** The capsule is in use: its idle time starts again. */
  touch(): void {
    this.lastActiveAt = this.#clock.now();
  }

  /** Bytes went over the link to the guest: the capsule is in use, unless they may be those of {@link unnoticed} work. */
  noteTraffic(): void {
    if (this.#unnoticed === 0) this.touch();
  }

  /** Does something in the guest that does not count as use of the capsule. Such work may overlap. */
  async unnoticed<T>(work: () => Promise<T>): Promise<T> {
    this.#unnoticed += 1;
    try {
      return await work();
    } finally {
      this.#unnoticed -= 1;
    }
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
  requireRunning(): RunningMachine {
    if (this.#state !== "running" || !this.#running) {
      throw new WrennError("capsule_not_running", { status: this.publicState() });
    }
    return this.#running;
  }

  /** Enters a state; observers hear of it. */
  enter(state: CapsuleStatus["state"], running?: RunningMachine): void {
    this.#state = state;
    this.#running = running;
    this.health = undefined;
    this.#onChange(this.status());
  }

  /** The capsule lost its machine or never got one; `problem` says why. */
  fail(problem: string): void {
    this.#problem = problem;
    this.enter("failed");
  }

  /** The generation with this id. @throws WrennError `checkpoint_not_found`. */
  generation(id: string): Generation {
    const found = this.#record.generations.find((generation) => generation.id === id);
    if (!found) throw new WrennError("checkpoint_not_found", { checkpoint: id });
    return found;
  }

  /** The generation that the capsule resumes from, or last resumed from. @throws WrennError `checkpoint_not_found`. */
  currentGeneration(): Generation {
    return this.generation(this.#record.current ?? "");
  }

  /** Removes generations from the record, then their files. */
  async dropGenerations(isDropped: (generation: Generation) => boolean): Promise<void> {
    const dropped = this.#record.generations.filter(isDropped);
    await this.save({
      generations: this.#record.generations.filter((generation) => !isDropped(generation)),
    });
    for (const { id } of dropped) await this.directory.removeGeneration(id);
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
      ...defined({ hostAddress: this.#running?.slot.hostAddress, problem: this.#problem ?? this.#stall() }),
      lastActiveAt: this.lastActiveAt,
      metadata: { ...this.metadata, ...(this.#running ? this.#record.booted?.metadata : {}) },
      ...this.#keeping(),
      ...this.#conditionOfGuest(),
    };
  }

  #conditionOfGuest(): Pick<CapsuleStatus, "health" | "fullDisk" | "outOfMemory"> {
    if (this.#state !== "running") return {};
    const { health, fullDisk, outOfMemory } = this;
    return defined({ health, fullDisk: fullDisk && [...fullDisk], outOfMemory });
  }

  /** What a pause has kept, or how the disk was that the running machine was booted from. */
  #keeping(): Pick<CapsuleStatus, "kept" | "diskAtBoot"> {
    const { booted, current, generations } = this.#record;
    if (this.#state === "running") return defined({ diskAtBoot: booted?.disk });
    if (this.#state !== "paused") return {};
    const generation = generations.find(({ id }) => id === current);
    return { kept: generation?.diskOnly ? "disk" : "memory" };
  }

  /** Why a capsule that runs stands still. */
  #stall(): string | undefined {
    const stall = this.#running?.machine.stall;
    if (!stall) return undefined;
    return `the capsule waits: ${new WrennError("disk_full", { path: stall.path }).message} of its host`;
  }

  /** The state in the words of the public API, whose vocabulary is closed (docs/reference/values.md#capsule-states). */
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
