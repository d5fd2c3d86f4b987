import { present } from "../transport/options.ts";
import type { WireAnswer, WireObject } from "../wire/api-types.ts";

/** The state of a build. `interrupted`: the server that ran it ended; start it again. */
export type BuildStatus = "pending" | "running" | "success" | "failed" | "cancelled" | "interrupted";

/** A step of a build that has ended. */
export interface BuildStep {
  /** From 1, across all phases. */
  readonly step: number;
  /** `pre-build`, `recipe` or `post-build`. */
  readonly phase: string;
  readonly cmd: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode?: number;
  readonly isOk: boolean;
  /** Its result was there from an earlier build. */
  readonly isCached: boolean;
  readonly durationMs: number;
}

/** A build of a template, as the server described it. */
export interface Build {
  /** `bld-` and 25 characters. */
  readonly id: string;
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  readonly baseTemplate: string;
  readonly recipe: readonly string[];
  readonly healthcheck?: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly status: BuildStatus;
  /** 0 before the first. */
  readonly currentStep: number;
  readonly totalSteps: number;
  /** Steps that have ended. Lists leave them out. */
  readonly steps: readonly BuildStep[];
  /** Lines of output beyond the limit. */
  readonly droppedLines: number;
  /** Why it failed. */
  readonly error?: string;
  /** Entry of the error catalogue, such as `build_failed`. */
  readonly reason?: string;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly completedAt?: Date;
}

/** A line of the output of a build. */
export interface BuildLogLine {
  /** From 0. There is one gap where lines are beyond the limit. */
  readonly seq: number;
  /** 0 outside of steps. */
  readonly step: number;
  /** `system`: the instruction itself. */
  readonly stream: "system" | "stdout" | "stderr";
  readonly text: string;
  readonly at: Date;
}

export type WireBuildLogs = WireAnswer<"GET /v1/builds/{id}/logs", 200>;

export function buildOf(wire: WireObject<"Build">): Build {
  const { id, name, recipe, vcpus, status, healthcheck, error, reason } = wire;
  return Object.freeze({
    id,
    name,
    baseTemplate: wire.base_template,
    recipe,
    vcpus,
    memoryMib: wire.memory_mb,
    status,
    currentStep: wire.current_step,
    totalSteps: wire.total_steps,
    steps: wire.logs.map(({ exit, ok, cached, elapsed_ms, ...step }) =>
      Object.freeze({
        ...step,
        ...present({ exitCode: exit }),
        isOk: ok,
        isCached: cached,
        durationMs: elapsed_ms,
      }),
    ),
    droppedLines: wire.dropped_lines,
    createdAt: new Date(wire.created_at),
    ...present({
      healthcheck,
      error,
      reason,
      startedAt: wire.started_at === undefined ? undefined : new Date(wire.started_at),
      completedAt: wire.completed_at === undefined ? undefined : new Date(wire.completed_at),
    }),
  });
}

/** Whether a build has ended, well or not. */
export function isOver(status: string): boolean {
  return status !== "pending" && status !== "running";
}
