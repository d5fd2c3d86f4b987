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

/** Milliseconds of what a build does besides its steps. */
export interface BuildDurations {
  /** Until the image that `FROM` names was there. */
  readonly importMs?: number;
  /** Waiting until the machine was at rest. */
  readonly settleMs?: number;
  /** Storing disk and memory. */
  readonly freezeMs?: number;
  /** Starting two capsules of the new version. */
  readonly smokeTestMs?: number;
}

/** A build of a template, as the server described it. */
export interface Build {
  /** `bld-` and 25 characters. */
  readonly id: string;
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  /** A template, or the image of a registry. */
  readonly baseTemplate: string;
  /** Its instructions, one each. */
  readonly recipe: readonly string[];
  /** The text that was built, of a build from one. */
  readonly recipeText?: string;
  readonly healthcheck?: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly status: BuildStatus;
  /** Whether it has ended, well or not. */
  readonly isOver: boolean;
  /** 0 before the first. */
  readonly currentStep: number;
  readonly totalSteps: number;
  /** Steps that have ended. Lists leave them out. */
  readonly steps: readonly BuildStep[];
  /** Lines of output beyond the limit. */
  readonly droppedLines: number;
  /** How long the work besides the steps took, as far as it is known. */
  readonly durations?: BuildDurations;
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
  /** From 0. Numbers are missing where lines were dropped (`droppedLines` of the build). */
  readonly seq: number;
  /** 0 outside of steps: the builder's own work. */
  readonly step: number;
  /** `system`: the instruction itself, or how the step ended. */
  readonly stream: "system" | "stdout" | "stderr";
  readonly text: string;
  readonly at: Date;
  /** Only in the last line of a step. */
  readonly ended?: BuildStepEnd;
}

/** How a step ended. */
export interface BuildStepEnd {
  readonly isOk: boolean;
  /** Its result was there from an earlier build. */
  readonly isCached: boolean;
  readonly durationMs: number;
}

/** A build on the wire. */
export type WireBuild = WireObject<"Build">;
export type WireBuildLogs = WireAnswer<"GET /v1/builds/{id}/logs", 200>;
export type WireBuildLine = WireBuildLogs["lines"][number];

export function buildOf(wire: WireBuild): Build {
  const { id, name, recipe, vcpus, status, healthcheck, error, reason, durations } = wire;
  return Object.freeze({
    id,
    name,
    baseTemplate: wire.base_template,
    recipe,
    vcpus,
    memoryMib: wire.memory_mb,
    status,
    isOver: isOver(status),
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
      recipeText: wire.recipe_text,
      healthcheck,
      durations: durations && durationsOf(durations),
      error,
      reason,
      startedAt: wire.started_at === undefined ? undefined : new Date(wire.started_at),
      completedAt: wire.completed_at === undefined ? undefined : new Date(wire.completed_at),
    }),
  });
}

export function lineOf({ ended, at, ...line }: WireBuildLine): BuildLogLine {
  return Object.freeze({
    ...line,
    at: new Date(at),
    ...(ended === undefined
      ? {}
      : { ended: { isOk: ended.ok, isCached: ended.cached, durationMs: ended.elapsed_ms } }),
  });
}

function durationsOf(wire: NonNullable<WireBuild["durations"]>): BuildDurations {
  return Object.freeze(
    present({
      importMs: wire.import_ms,
      settleMs: wire.settle_ms,
      freezeMs: wire.freeze_ms,
      smokeTestMs: wire.smoke_test_ms,
    }),
  );
}

/** Whether a build has ended, well or not. */
export function isOver(status: string): boolean {
  return status !== "pending" && status !== "running";
}
