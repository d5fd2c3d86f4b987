import { WrennError } from "@wrenn/core";
import type { CapsuleSpec, CapsuleStatus, HostAgent, TemplateFacts } from "@wrenn/protocol";

const template: TemplateFacts = { name: "minimal", sizeBytes: 1, vcpus: 1, memoryMib: 512 };

function unsupported(): never {
  throw new WrennError("operation_failed", { operation: "this", problem: "the fake host cannot" });
}

/** A host whose capsules are entries of a map; it cannot run or store anything. */
export class FakeHostAgent implements HostAgent {
  readonly capsules = new Map<string, CapsuleStatus>();
  /** Nobody can ask it. */
  cut = false;
  /** What a create is refused with. */
  refusal: WrennError | undefined;

  facts = async () => ({
    version: "0.0.0",
    architecture: "amd64",
    cpuCores: 8,
    memoryMib: 65_536,
    diskGb: 1000,
    accelerator: "none" as const,
  });
  checkpointCapsule: HostAgent["checkpointCapsule"] = async () => unsupported();
  listCheckpoints: HostAgent["listCheckpoints"] = async () => [];
  restoreCheckpoint: HostAgent["restoreCheckpoint"] = async () => unsupported();
  deleteCheckpoint: HostAgent["deleteCheckpoint"] = async () => unsupported();
  forkCapsule: HostAgent["forkCapsule"] = async () => unsupported();
  createSnapshot: HostAgent["createSnapshot"] = async () => unsupported();
  deleteSnapshot: HostAgent["deleteSnapshot"] = async () => unsupported();
  metrics = async () => [];
  setNetwork = async () => undefined;
  networkDecisions: HostAgent["networkDecisions"] = async () => [];
  dial = async () => unsupported();
  processes: HostAgent["processes"] = () => unsupported();
  files: HostAgent["files"] = () => unsupported();
  hold = () => () => undefined;
  onChange = () => () => undefined;
  listTemplates = async () => [template];
  close = () => undefined;

  async listCapsules(): Promise<readonly CapsuleStatus[]> {
    this.#answer();
    return [...this.capsules.values()];
  }

  async createCapsule(spec: CapsuleSpec): Promise<CapsuleStatus> {
    this.#answer();
    if (this.refusal) throw this.refusal;
    const status: CapsuleStatus = {
      id: spec.id,
      state: "running",
      template: spec.template,
      vcpus: spec.vcpus,
      memoryMib: spec.memoryMib,
      lastActiveAt: 0,
      metadata: {},
    };
    this.capsules.set(spec.id, status);
    return status;
  }

  async pauseCapsule(id: string): Promise<CapsuleStatus> {
    return await this.#turn(id, "paused");
  }

  async resumeCapsule(id: string): Promise<CapsuleStatus> {
    return await this.#turn(id, "running");
  }

  async destroyCapsule(id: string): Promise<void> {
    this.#answer();
    this.capsules.delete(id);
  }

  async capsule(id: string): Promise<CapsuleStatus> {
    return this.capsules.get(id) ?? unsupported();
  }

  async #turn(id: string, state: CapsuleStatus["state"]): Promise<CapsuleStatus> {
    this.#answer();
    const status = { ...(await this.capsule(id)), state };
    this.capsules.set(id, status);
    return status;
  }

  #answer(): void {
    if (this.cut) throw new WrennError("host_unavailable", {});
  }
}
