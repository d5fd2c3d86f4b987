import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import type { UploadNotices } from "./filesystem/upload-notices.ts";

/** How busy a sandbox is, as its agent would measure it. */
export interface SandboxMeasurement {
  /** Unix seconds. */
  readonly at: number;
  readonly cpuCount: number;
  /** Of all its CPUs together, 0 to 100. */
  readonly cpuUsedPercent: number;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly diskTotalBytes: number;
  readonly diskUsedBytes: number;
}

/** A running sandbox that a request uses. */
export interface EnvdSandbox {
  readonly id: string;
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Told of uploads, followed by watches. */
  readonly uploads: UploadNotices;
  /** Whose rights hold where a request names no user. */
  readonly defaultUser: string;
  /** What an empty path stands for; the user's home when absent. */
  readonly defaultDirectory?: string;
  /** Variables by which programs recognise the sandbox; each command may set its own in their place. */
  readonly identity: Readonly<Record<string, string>>;
  /** The environment that every process starts with. */
  environment(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  measure(signal: AbortSignal): Promise<SandboxMeasurement>;
  /** Records that the sandbox is used. */
  touch(): void;
}

/** A sandbox that a request is for, before it is known whether the request may use it. */
export interface AddressedSandbox {
  readonly id: string;
  /** What `X-Access-Token` has, and what signatures end with. */
  readonly token: string;
  /** `resumable` is a paused one that a request resumes, if it shows the token. */
  readonly state: "running" | "paused" | "resumable";
  /** Whether its machine runs now, as its host says; looking does not use the sandbox. */
  isRunning(): Promise<boolean>;
  /**
   * The sandbox, which runs when this resolves; concurrent calls share one resume.
   *
   * @throws WrennError `capsule_not_found`, `capsule_not_running`, `host_unavailable`.
   */
  open(): Promise<EnvdSandbox>;
}
