import type { Duplex } from "node:stream";
import { defined, WrennError } from "@wrenn/core";
import type {
  CapsuleFiles,
  CapsuleProcesses,
  CapsuleSpec,
  CapsuleStatus,
  CheckpointFacts,
  HostAgent,
  HostFacts,
  HostPhases,
  HostStorage,
  NetworkRules,
  SettingsChange,
  SnapshotRequest,
  TemplateFacts,
} from "@wrenn/protocol";
import { findCheckpoint, newContents } from "./fake-contents.ts";
import type { FakeContents } from "./fake-contents.ts";
import { startEach } from "./fake-forks.ts";
import { FakeFiles } from "./fake-files.ts";
import { FakeObservedHost } from "./fake-observed-host.ts";
import type { FakeUploads } from "./fake-uploads.ts";
import { dialLocally, requireNetworks } from "./fake-network.ts";
import { storageOf } from "./fake-storage.ts";
import { FACTS, MINIMAL } from "./fake-templates.ts";

/**
 * The host agent of tests: capsules in the memory of this process. It passes the same contract as the real agent; tests change
 * `capsules` behind its back, cut it off, or let it refuse.
 */
export class FakeHostAgent extends FakeObservedHost implements HostAgent {
  readonly capsules = new Map<string, CapsuleStatus>();
  /** It cannot be reached. */
  cut = false;
  /** What disks of capsules occupy, where a test says so. */
  readonly diskBytes = new Map<string, number>();
  /** Size of the changed pages of checkpoints and pauses. */
  savedBytes = 1;
  /** The host's clock. */
  now: () => number = Date.now;
  /** What its operations say of their time, in milliseconds. */
  phases: HostPhases = { machine: 0 };
  /** The settings that were changed. */
  readonly changed: (SettingsChange & { readonly id: string })[] = [];
  /** How disks are when they are booted. */
  diskAtBoot: "clean" | "checked" = "clean";
  /** What it does after it reported a capsule paused, and before it answers: a host releases the machine. */
  release: () => Promise<void> = async () => undefined;
  /** What a create is refused with. */
  refusal: WrennError | undefined;
  /** Why every second child of a fork that keeps the others cannot be started. */
  childProblem: string | undefined;
  readonly #contents = new Map<string, FakeContents>();
  readonly #observers = new Set<(status: CapsuleStatus) => void>();
  #checkpoints = 0;

  async facts(): Promise<HostFacts> {
    this.reach();
    return FACTS;
  }

  async createCapsule(spec: CapsuleSpec, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    if (this.refusal) throw this.refusal;
    const template = this.templateOf(spec.template);
    if (!template) throw new WrennError("template_not_found", { template: spec.template });
    if (this.capsules.has(spec.id)) throw new WrennError("capsule_busy", { operation: "create" });
    const moment = spec.moment === undefined ? undefined : this.moments.require(spec.moment);
    if (moment) {
      const begun = this.#start(spec, moment.shape, moment.files.copyAll());
      return this.#timed(
        moment.memory ? begun : this.#enter(spec.id, "running", { diskAtBoot: this.diskAtBoot }),
      );
    }
    const shape = this.templates.get(spec.template) ?? spec;
    return this.#timed(this.#start(spec, shape, new FakeFiles()));
  }

  async destroyCapsule(id: string): Promise<void> {
    this.reach();
    const status = this.capsules.get(id);
    if (!status) return;
    this.#endProcesses(id);
    clearTimeout(this.contentsOf(id).idle);
    this.capsules.delete(id);
    this.#contents.delete(id);
    this.#announce({ ...status, state: "gone" });
  }

  async capsule(id: string): Promise<CapsuleStatus> {
    this.reach();
    return this.#require(id);
  }

  async pauseCapsule(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    this.#running(id);
    this.#keepMoment(id, "pause");
    const paused = this.#enter(id, "paused", { kept: "memory" });
    await this.release();
    return this.#timed(paused);
  }

  async pauseToDisk(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    this.#running(id);
    this.#endProcesses(id);
    const moment = this.#keepMoment(id, "pause");
    Object.assign(moment, { memoryBytes: 0, diskOnly: true });
    const paused = this.#enter(id, "paused", { kept: "disk" });
    await this.release();
    return this.#timed(paused);
  }

  async bootCapsule(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    this.#paused(id);
    this.#endProcesses(id);
    return this.#timed(this.#enter(id, "running", { diskAtBoot: this.diskAtBoot }));
  }

  async resumeCapsule(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    if (this.#paused(id).kept === "disk") return await this.bootCapsule(id, signal);
    return this.#timed(this.#enter(id, "running"));
  }

  async checkpointCapsule(
    id: string,
    name: string | undefined,
    signal?: AbortSignal,
  ): Promise<CheckpointFacts> {
    this.reach(signal);
    this.#running(id);
    return { ...this.#keepMoment(id, "checkpoint", name), stoppedMs: 1 };
  }

  async listCheckpoints(id: string): Promise<readonly CheckpointFacts[]> {
    this.reach();
    this.#require(id);
    return this.contentsOf(id).checkpoints.toReversed();
  }

  async restoreCheckpoint(id: string, checkpoint: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.reach(signal);
    const { state } = this.#require(id);
    findCheckpoint(this.contentsOf(id), checkpoint);
    if (state !== "paused") this.#running(id);
    this.#endProcesses(id);
    this.#enter(id, "paused", { kept: "memory" });
    await this.release();
    return this.#timed(this.#enter(id, "running"));
  }

  async deleteCheckpoint(id: string, checkpoint: string): Promise<void> {
    this.reach();
    const { state } = this.#require(id);
    const { checkpoints } = this.contentsOf(id);
    const found = findCheckpoint(this.contentsOf(id), checkpoint);
    const last = checkpoints.findLast(({ kind }) => kind === "pause");
    if (state === "paused" && found === last) throw new WrennError("checkpoint_in_use", { checkpoint });
    checkpoints.splice(checkpoints.indexOf(found), 1);
  }

  async forkCapsule(
    id: string,
    children: readonly CapsuleSpec[],
    signal?: AbortSignal,
  ): Promise<readonly CapsuleStatus[]> {
    this.reach(signal);
    const known = this.#require(id);
    const source = known.kept === "disk" ? known : this.#running(id);
    if (this.refusal) throw this.refusal;
    const ids = new Set(children.map((child) => child.id));
    if (ids.size < children.length || [...ids].some((child) => this.capsules.has(child)))
      throw new WrennError("capsule_busy", { operation: "create" });
    const { files } = this.contentsOf(id);
    const started = children.map((child) => this.#timed(this.#start(child, source, files.copyAll())));
    if (source.kept !== "disk") return started;
    return started.map(({ id: child }) =>
      this.#timed(this.#enter(child, "running", { diskAtBoot: this.diskAtBoot })),
    );
  }

  async forkEach(...[id, children, signal]: Parameters<HostAgent["forkEach"]>) {
    return await startEach(children, this.childProblem, (some) => this.forkCapsule(id, some, signal));
  }

  async createSnapshot(id: string, { key }: SnapshotRequest, signal?: AbortSignal): Promise<TemplateFacts> {
    this.reach(signal);
    return this.templates.make(key, this.#paused(id));
  }

  async deleteSnapshot(key: string): Promise<void> {
    this.reach();
    this.templates.delete(key, this.capsules.values());
  }

  hold(id: string): () => void {
    const contents = this.#contents.get(id);
    if (!contents) return () => undefined;
    contents.holds++;
    let held = true;
    return () => {
      if (held) contents.holds--;
      held = false;
      this.#beginIdleTime(id);
    };
  }

  /** How many holds of a capsule have not ended. */
  holdsOf(id: string): number {
    return this.#contents.get(id)?.holds ?? 0;
  }

  async setNetwork(id: string, network: NetworkRules, signal?: AbortSignal): Promise<void> {
    this.reach(signal);
    this.#require(id);
    requireNetworks(network);
  }

  async changeSettings(id: string, change: SettingsChange, signal?: AbortSignal): Promise<void> {
    this.reach(signal);
    const { state } = this.#require(id);
    if (change.remainingSec !== undefined && change.remainingSec !== null && state !== "running")
      throw new WrennError("capsule_not_running", { status: "paused" });
    if (change.network) await this.setNetwork(id, change.network, signal);
    if (change.timeoutSec !== undefined) this.contentsOf(id).timeoutSec = change.timeoutSec;
    this.changed.push({ id, ...change });
  }

  async listCapsules(): Promise<readonly CapsuleStatus[]> {
    this.reach();
    return [...this.capsules.values()];
  }

  async storage(): Promise<HostStorage> {
    this.reach();
    return storageOf(this.capsules.keys(), this.diskBytes, (id) => this.contentsOf(id).checkpoints);
  }

  async listTemplates(): Promise<readonly TemplateFacts[]> {
    this.reach();
    return [MINIMAL];
  }

  processes(id: string): CapsuleProcesses {
    this.#running(id);
    this.#beginIdleTime(id);
    return this.contentsOf(id).processes;
  }

  files(id: string): CapsuleFiles {
    this.#running(id);
    this.#beginIdleTime(id);
    return this.contentsOf(id).files;
  }

  /** Uploads of a capsule, whose clock tests move. */
  uploadsOf(id: string): FakeUploads {
    return this.contentsOf(id).files.uploads;
  }

  async dial(...[id, port, options]: Parameters<HostAgent["dial"]>): Promise<Duplex> {
    this.reach(options.signal);
    this.#running(id);
    return await dialLocally(port, options);
  }

  onChange(observer: (status: CapsuleStatus) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Changes what the host says of a capsule, and reports it. */
  report(id: string, change: Partial<CapsuleStatus>): void {
    const { problem: _earlier, ...status } = this.#require(id);
    this.capsules.set(id, { ...status, ...change });
    this.#announce(this.#require(id));
  }

  get observers(): number {
    return this.#observers.size;
  }

  close(): void {
    for (const { idle } of this.#contents.values()) clearTimeout(idle);
  }

  /** Tests may have put a capsule into the map themselves. */
  protected contentsOf(id: string): FakeContents {
    return this.#contents.get(id) ?? this.#newContents(id, new FakeFiles());
  }

  protected requireKnown(id: string): CapsuleStatus {
    this.reach();
    return this.#require(id);
  }

  /** Templates that creates may name; a subclass may have more. */
  protected templateOf(name: string): TemplateFacts | undefined {
    if (this.images.has(name)) return { ...MINIMAL, name };
    return name === MINIMAL.name ? MINIMAL : this.templates.get(name);
  }

  #timed(status: CapsuleStatus): CapsuleStatus {
    return { ...status, phases: this.phases };
  }

  #start(
    { id, template, timeoutSec }: CapsuleSpec,
    { vcpus, memoryMib }: Pick<TemplateFacts, "vcpus" | "memoryMib">,
    files: FakeFiles,
  ): CapsuleStatus {
    const contents = this.#newContents(id, files);
    contents.timeoutSec = timeoutSec;
    const size = { vcpus, memoryMib };
    const status: CapsuleStatus = { id, state: "running", template, ...size, lastActiveAt: 0, metadata: {} };
    this.capsules.set(id, status);
    this.#beginIdleTime(id);
    this.#announce(status);
    return status;
  }

  #newContents(id: string, files: FakeFiles): FakeContents {
    const contents = newContents(id, files);
    this.#contents.set(id, contents);
    return contents;
  }

  #endProcesses(id: string): void {
    this.contentsOf(id).processes.fail(new WrennError("guest_unreachable", { problem: "it is gone" }));
  }

  #keepMoment(id: string, kind: CheckpointFacts["kind"], name?: string): CheckpointFacts {
    const moment: CheckpointFacts = {
      id: `g${++this.#checkpoints}`,
      kind,
      ...defined({ name }),
      createdAt: this.now(),
      memoryBytes: this.savedBytes,
    };
    this.contentsOf(id).checkpoints.push(moment);
    return moment;
  }

  #enter(
    id: string,
    state: CapsuleStatus["state"],
    change: Pick<CapsuleStatus, "kept" | "diskAtBoot"> = {},
  ): CapsuleStatus {
    const { kept: _kept, diskAtBoot: _disk, ...before } = this.#require(id);
    const status = { ...before, ...change, state };
    this.capsules.set(id, status);
    if (state === "running") this.#beginIdleTime(id);
    this.#announce(status);
    return status;
  }

  #beginIdleTime(id: string): void {
    const contents = this.#contents.get(id);
    if (!contents || contents.timeoutSec === 0) return;
    clearTimeout(contents.idle);
    contents.idle = setTimeout(() => {
      if (this.capsules.get(id)?.state !== "running") return;
      if (contents.holds > 0) this.#beginIdleTime(id);
      else void this.pauseCapsule(id).catch(() => undefined);
    }, contents.timeoutSec * 1000).unref();
  }

  #announce(status: CapsuleStatus): void {
    for (const observer of this.#observers) observer(status);
  }

  #require(id: string): CapsuleStatus {
    const status = this.capsules.get(id);
    if (!status) throw new WrennError("capsule_not_found", {});
    return status;
  }

  #running(id: string): CapsuleStatus {
    const status = this.#require(id);
    if (status.state !== "running") throw new WrennError("capsule_not_running", { status: status.state });
    return status;
  }

  #paused(id: string): CapsuleStatus {
    const status = this.#require(id);
    if (status.state !== "paused") throw new WrennError("capsule_not_paused", { status: status.state });
    return status;
  }

  protected reach(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (this.cut) throw new WrennError("host_unavailable", {});
  }
}
