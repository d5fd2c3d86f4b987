import type { CapsuleFiles } from "./files.ts";
import type { CapsuleProcesses } from "./processes.ts";

/**
 * What the control plane knows of a host: nothing but this interface. On one machine it is a direct object, between
 * machines an RPC client; both pass the same contract suite with the same error texts.
 *
 * Every method rejects with `capsule_not_found` for an unknown id and `capsule_not_running` where a running capsule is needed.
 */
export interface HostAgent {
  /** Facts of the host, for scheduling and for users. */
  facts(signal: AbortSignal): Promise<HostFacts>;

  /** Starts a capsule from its template and returns when it runs. Nothing is left behind when it rejects. */
  createCapsule(spec: CapsuleSpec, signal: AbortSignal): Promise<CapsuleStatus>;
  /** Ends a capsule in whatever state it is. Idempotent: an unknown capsule is fine. */
  destroyCapsule(id: string, signal: AbortSignal): Promise<void>;
  /** State of one capsule. */
  capsule(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /** Everything this host holds. */
  listCapsules(signal: AbortSignal): Promise<readonly CapsuleStatus[]>;

  /** Processes and terminals of a running capsule. */
  processes(id: string): CapsuleProcesses;
  /** Files of a running capsule. */
  files(id: string): CapsuleFiles;

  /** Templates this host can start capsules from. */
  listTemplates(signal: AbortSignal): Promise<readonly TemplateFacts[]>;

  /** Tells the observer of every change of state of any capsule; returns the unsubscriber. */
  onChange(observer: (status: CapsuleStatus) => void): () => void;
}

export interface CapsuleSpec {
  /** Public id, `cl-…`. */
  readonly id: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  /** Idle seconds after which the capsule is paused; 0: never. */
  readonly timeoutSec: number;
  /** Default environment of every process. */
  readonly envs: Readonly<Record<string, string>>;
}

/** A capsule as its host sees it. */
export interface CapsuleStatus {
  readonly id: string;
  readonly state:
    | "creating"
    | "running"
    | "pausing"
    | "paused"
    | "resuming"
    | "destroying"
    | "gone"
    | "failed";
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** Address of the capsule as the host reaches it, once it has a network slot. */
  readonly hostAddress?: string;
  /** Milliseconds since the Unix epoch of the last byte, request or connection. */
  readonly lastActiveAt: number;
  /** Versions of what runs it: kernel_version, vmm_version, agent_version, envd_version. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Why it failed, for `failed`. */
  readonly problem?: string;
}

export interface TemplateFacts {
  readonly name: string;
  readonly sizeBytes: number;
  readonly vcpus: number;
  readonly memoryMib: number;
}

export interface HostFacts {
  readonly version: string;
  readonly architecture: string;
  readonly cpuCores: number;
  readonly memoryMib: number;
  readonly diskGb: number;
  /** "kvm" or "tcg"; software emulation is not a security boundary by QEMU's own policy. */
  readonly accelerator: "kvm" | "tcg" | "none";
}
