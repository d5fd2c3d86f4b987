import { once } from "node:events";
import { connect } from "node:net";
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
  HostStorage,
  MetricPoint,
  MetricRange,
  NetworkDecision,
  NetworkRules,
  TemplateFacts,
} from "@wrenn/protocol";
import { FakeFiles } from "./fake-files.ts";
import type { FakeUploads } from "./fake-uploads.ts";
import { FakeProcesses } from "./fake-processes.ts";
import { storageOf } from "./fake-storage.ts";

const MINIMAL: TemplateFacts = { name: "minimal", sizeBytes: 1, vcpus: 1, memoryMib: 512 };
const NETWORK = /^(?:(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+)$/i;
const NO_NETWORK =
  "must hold IPv4 addresses, CIDR blocks or domain names such as example.com and *.example.com";

interface Contents {
  readonly processes: FakeProcesses;
  readonly files: FakeFiles;
  readonly checkpoints: CheckpointFacts[];
  timeoutSec: number;
  idle: NodeJS.Timeout | undefined;
  holds: number;
}

/**
 * The host agent of tests: capsules in the memory of this process. It passes the same contract as the real agent; tests change
 * `capsules` behind its back, cut it off, or let it refuse.
 */
export class FakeHostAgent implements HostAgent {
  readonly capsules = new Map<string, CapsuleStatus>();
  /** It cannot be reached. */
  cut = false;
  /** What disks of capsules occupy, where a test says so. */
  readonly diskBytes = new Map<string, number>();
  /** Size of the changed pages of checkpoints and pauses. */
  savedBytes = 1;
  /** The host's clock. */
  now: () => number = Date.now;
  /** What a create is refused with. */
  refusal: WrennError | undefined;
  readonly #contents = new Map<string, Contents>();
  readonly #snapshots = new Map<string, TemplateFacts>();
  readonly #observers = new Set<(status: CapsuleStatus) => void>();
  #checkpoints = 0;

  async facts(): Promise<HostFacts> {
    this.#reach();
    return {
      version: "0.0.0",
      architecture: "amd64",
      cpuCores: 8,
      memoryMib: 65_536,
      diskGb: 1000,
      accelerator: "none",
    };
  }

  async createCapsule(spec: CapsuleSpec, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.#reach(signal);
    if (this.refusal) throw this.refusal;
    const template = this.templateOf(spec.template);
    if (!template) throw new WrennError("template_not_found", { template: spec.template });
    if (this.capsules.has(spec.id)) throw new WrennError("capsule_busy", { operation: "create" });
    const shape = this.#snapshots.get(spec.template) ?? spec;
    return this.#start(spec, shape, new FakeFiles());
  }

  async destroyCapsule(id: string): Promise<void> {
    this.#reach();
    const status = this.capsules.get(id);
    if (!status) return;
    this.#endProcesses(id);
    clearTimeout(this.#contentsOf(id).idle);
    this.capsules.delete(id);
    this.#contents.delete(id);
    this.#announce({ ...status, state: "gone" });
  }

  async capsule(id: string): Promise<CapsuleStatus> {
    this.#reach();
    return this.#require(id);
  }

  async pauseCapsule(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.#reach(signal);
    this.#running(id);
    this.#keepMoment(id, "pause");
    return this.#enter(id, "paused");
  }

  async resumeCapsule(id: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.#reach(signal);
    this.#paused(id);
    return this.#enter(id, "running");
  }

  async checkpointCapsule(
    id: string,
    name: string | undefined,
    signal?: AbortSignal,
  ): Promise<CheckpointFacts> {
    this.#reach(signal);
    this.#running(id);
    return { ...this.#keepMoment(id, "checkpoint", name), stoppedMs: 1 };
  }

  async listCheckpoints(id: string): Promise<readonly CheckpointFacts[]> {
    this.#reach();
    this.#require(id);
    return this.#contentsOf(id).checkpoints.toReversed();
  }

  async restoreCheckpoint(id: string, checkpoint: string, signal?: AbortSignal): Promise<CapsuleStatus> {
    this.#reach(signal);
    const { state } = this.#require(id);
    this.#findCheckpoint(id, checkpoint);
    if (state !== "paused") this.#running(id);
    this.#endProcesses(id);
    return this.#enter(id, "running");
  }

  async deleteCheckpoint(id: string, checkpoint: string): Promise<void> {
    this.#reach();
    const { state } = this.#require(id);
    const { checkpoints } = this.#contentsOf(id);
    const found = this.#findCheckpoint(id, checkpoint);
    const last = checkpoints.findLast(({ kind }) => kind === "pause");
    if (state === "paused" && found === last) throw new WrennError("checkpoint_in_use", { checkpoint });
    checkpoints.splice(checkpoints.indexOf(found), 1);
  }

  async forkCapsule(
    id: string,
    children: readonly CapsuleSpec[],
    signal?: AbortSignal,
  ): Promise<readonly CapsuleStatus[]> {
    this.#reach(signal);
    const source = this.#running(id);
    if (this.refusal) throw this.refusal;
    const ids = new Set(children.map((child) => child.id));
    if (ids.size < children.length || [...ids].some((child) => this.capsules.has(child)))
      throw new WrennError("capsule_busy", { operation: "create" });
    const { files } = this.#contentsOf(id);
    return children.map((child) => this.#start(child, source, files.copyAll()));
  }

  async createSnapshot(id: string, key: string, signal?: AbortSignal): Promise<TemplateFacts> {
    this.#reach(signal);
    const { vcpus, memoryMib } = this.#paused(id);
    if (this.#snapshots.has(key))
      throw new WrennError("operation_failed", { operation: `making template ${key}`, problem: "it exists" });
    const template = { name: key, sizeBytes: 1, vcpus, memoryMib };
    this.#snapshots.set(key, template);
    return template;
  }

  async deleteSnapshot(key: string): Promise<void> {
    this.#reach();
    const dependants = [...this.capsules.values()].filter(({ template }) => template === key);
    if (dependants.length > 0)
      throw new WrennError("template_in_use", { dependants: dependants.map(({ id }) => id).join(", ") });
    this.#snapshots.delete(key);
  }

  hold(id: string): () => void {
    const contents = this.#contents.get(id);
    if (!contents) return () => undefined;
    contents.holds++;
    let held = true;
    return () => {
      if (held) contents.holds--;
      held = false;
      this.#touch(id);
    };
  }

  /** How many holds of a capsule have not ended. */
  holdsOf(id: string): number {
    return this.#contents.get(id)?.holds ?? 0;
  }

  async setNetwork(id: string, network: NetworkRules, signal?: AbortSignal): Promise<void> {
    this.#reach(signal);
    this.#require(id);
    for (const field of ["allow", "deny"] as const)
      for (const entry of network[field])
        if (!NETWORK.test(entry)) throw new WrennError("invalid_field", { field, problem: NO_NETWORK });
  }

  async networkDecisions(id: string): Promise<readonly NetworkDecision[]> {
    this.#reach();
    this.#running(id);
    return [];
  }

  async metrics(id: string, _range: MetricRange): Promise<readonly MetricPoint[]> {
    this.#reach();
    this.#require(id);
    return [];
  }

  async listCapsules(): Promise<readonly CapsuleStatus[]> {
    this.#reach();
    return [...this.capsules.values()];
  }

  async storage(): Promise<HostStorage> {
    this.#reach();
    return storageOf(this.capsules.keys(), this.diskBytes, (id) => this.#contentsOf(id).checkpoints);
  }

  async listTemplates(): Promise<readonly TemplateFacts[]> {
    this.#reach();
    return [MINIMAL];
  }

  processes(id: string): CapsuleProcesses {
    this.#running(id);
    this.#touch(id);
    return this.#contentsOf(id).processes;
  }

  files(id: string): CapsuleFiles {
    this.#running(id);
    this.#touch(id);
    return this.#contentsOf(id).files;
  }

  /** Uploads of a capsule, whose clock tests move. */
  uploadsOf(id: string): FakeUploads {
    return this.#contentsOf(id).files.uploads;
  }

  async dial(
    id: string,
    port: number,
    { halfOpen, signal }: { readonly halfOpen: boolean; readonly signal: AbortSignal },
  ): Promise<Duplex> {
    this.#reach(signal);
    this.#running(id);
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: halfOpen });
    try {
      await once(socket, "connect", { signal });
    } catch (error) {
      socket.destroy();
      throw signal.aborted ? signal.reason : error;
    }
    return socket;
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

  /** Templates that creates may name; a subclass may have more. */
  protected templateOf(name: string): TemplateFacts | undefined {
    return name === MINIMAL.name ? MINIMAL : this.#snapshots.get(name);
  }

  #start(
    { id, template, timeoutSec }: CapsuleSpec,
    { vcpus, memoryMib }: Pick<TemplateFacts, "vcpus" | "memoryMib">,
    files: FakeFiles,
  ): CapsuleStatus {
    const contents = this.#newContents(id, files);
    contents.timeoutSec = timeoutSec;
    const status: CapsuleStatus = {
      id,
      state: "running",
      template,
      vcpus,
      memoryMib,
      lastActiveAt: 0,
      metadata: {},
    };
    this.capsules.set(id, status);
    this.#touch(id);
    this.#announce(status);
    return status;
  }

  #newContents(id: string, files: FakeFiles): Contents {
    const processes = new FakeProcesses(id, files);
    const contents: Contents = {
      processes,
      files,
      checkpoints: [],
      timeoutSec: 0,
      idle: undefined,
      holds: 0,
    };
    this.#contents.set(id, contents);
    return contents;
  }

  /** Tests may have put a capsule into the map themselves. */
  #contentsOf(id: string): Contents {
    return this.#contents.get(id) ?? this.#newContents(id, new FakeFiles());
  }

  #endProcesses(id: string): void {
    this.#contentsOf(id).processes.fail(new WrennError("guest_unreachable", { problem: "it is gone" }));
  }

  #keepMoment(id: string, kind: CheckpointFacts["kind"], name?: string): CheckpointFacts {
    const moment: CheckpointFacts = {
      id: `g${++this.#checkpoints}`,
      kind,
      ...defined({ name }),
      createdAt: this.now(),
      memoryBytes: this.savedBytes,
    };
    this.#contentsOf(id).checkpoints.push(moment);
    return moment;
  }

  #findCheckpoint(id: string, checkpoint: string): CheckpointFacts {
    const found = this.#contentsOf(id).checkpoints.find((one) => one.id === checkpoint);
    if (!found) throw new WrennError("checkpoint_not_found", { checkpoint });
    return found;
  }

  #enter(id: string, state: CapsuleStatus["state"]): CapsuleStatus {
    const status = { ...this.#require(id), state };
    this.capsules.set(id, status);
    if (state === "running") this.#touch(id);
    this.#announce(status);
    return status;
  }

  /** Begins the idle time of a capsule again. */
  #touch(id: string): void {
    const contents = this.#contents.get(id);
    if (!contents || contents.timeoutSec === 0) return;
    clearTimeout(contents.idle);
    contents.idle = setTimeout(() => {
      if (this.capsules.get(id)?.state !== "running") return;
      if (contents.holds > 0) this.#touch(id);
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

  #reach(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (this.cut) throw new WrennError("host_unavailable", {});
  }
}
