import { present } from "../transport/options.ts";
import type { WireObject } from "../wire/api-types.ts";

/** The state of a capsule: see {@link CapsuleInfo}. */
export type CapsuleStatus =
  | "pending"
  | "starting"
  | "running"
  | "paused"
  | "hibernated"
  | "missing"
  | "stopped"
  | "error";

/** Whether the guest agent of a running capsule answers: commands, files and pauses with memory need it. */
export type CapsuleHealth = "ok" | "not_answering";

/** What happens when the lifetime of a run is over. `pause_disk` gives up memory and processes. */
export type LifetimeEnd = "pause" | "pause_disk" | "destroy";

/** How far what a capsule waits for is. */
export interface CreateProgress {
  /** The template is copied to the host of the capsule from another host. */
  readonly phase: "copying_template";
  readonly doneBytes: number;
  /** 0 while it is not known. */
  readonly totalBytes: number;
}

/** A capsule as the server described it. Absent members have no value. */
export interface CapsuleInfo {
  readonly id: string;
  readonly name?: string;
  /** `missing`: its host does not answer. `stopped`: destroyed. `error`: it failed, see `problem`. */
  readonly status: CapsuleStatus;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  /** Idle milliseconds after which it is paused; 0: never. */
  readonly idleTimeoutMs: number;
  /** Milliseconds of a run at most. Absent without a limit. */
  readonly maxLifetimeMs?: number;
  /** When the present run ends whether or not the capsule is in use. */
  readonly lifetimeEndsAt?: Date;
  readonly onLifetimeEnd: LifetimeEnd;
  /** Whether its use resumes it when it is paused. */
  readonly autoResume: boolean;
  /** User of commands that name none. Absent for root. */
  readonly user?: string;
  /** Directory of commands that name none. */
  readonly cwd?: string;
  /** Names of its default environment, whose values are never shown. Lists leave them out. */
  readonly envNames?: readonly string[];
  /** Address on its host, while it runs. */
  readonly hostIp?: string;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly lastActiveAt?: Date;
  readonly updatedAt: Date;
  /** Why its status is `error`, or why it stands still: the disk of its host is full. */
  readonly problem?: string;
  /** Of a capsule that is being started, while it waits for its template. */
  readonly progress?: CreateProgress;
  /** Of a paused capsule: whether a resume goes on with its memory, or boots its disk. */
  readonly memoryKept?: boolean;
  /** Of a capsule that was booted from its disk: `clean`, or `checked` when it had to be checked and repaired. */
  readonly diskAtBoot?: string;
  /** Of a running capsule: `not_answering` while its guest agent does not answer. */
  readonly health?: CapsuleHealth;
  /** Of a running capsule: `true` while less than 1 % of its disk is free. Absent otherwise. */
  readonly diskFull?: boolean;
  /** Pairs of its team, and the versions of what runs it, such as `kernel_version`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Frozen: what the server said does not change. */
export function capsuleInfo(wire: WireObject<"Capsule">): CapsuleInfo {
  return Object.freeze({
    id: wire.id,
    status: wire.status as CapsuleStatus,
    template: wire.template,
    vcpus: wire.vcpus,
    memoryMib: wire.memory_mb,
    diskMib: wire.disk_mb,
    idleTimeoutMs: wire.timeout_sec * 1000,
    onLifetimeEnd: wire.on_lifetime_end as LifetimeEnd,
    autoResume: wire.auto_resume,
    createdAt: new Date(wire.created_at),
    updatedAt: new Date(wire.last_updated),
    metadata: Object.freeze({ ...wire.metadata }),
    ...present({
      name: wire.name,
      maxLifetimeMs: wire.max_lifetime_sec === undefined ? undefined : wire.max_lifetime_sec * 1000,
      lifetimeEndsAt: dateOf(wire.lifetime_ends_at),
      user: wire.user,
      cwd: wire.cwd,
      envNames: wire.env_names && Object.freeze([...wire.env_names]),
      hostIp: wire.host_ip,
      startedAt: dateOf(wire.started_at),
      lastActiveAt: dateOf(wire.last_active_at),
      problem: wire.problem,
      progress: progressOf(wire),
      memoryKept: wire.memory_kept,
      diskAtBoot: wire.disk_at_boot,
      health: wire.health as CapsuleHealth | undefined,
      diskFull: wire.disk_full,
    }),
  });
}

/** @returns undefined for a capsule that waits for nothing, or for something that this version does not know. */
export function progressOf({ progress }: WireObject<"Capsule">): CreateProgress | undefined {
  if (progress?.phase !== "copying_template") return undefined;
  const { phase, done_bytes: doneBytes, total_bytes: totalBytes } = progress;
  return Object.freeze({ phase, doneBytes, totalBytes });
}

function dateOf(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
