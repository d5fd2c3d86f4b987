import type { NetworkRules } from "@wrenn/protocol";
import type { FoundTemplate } from "../templates/templates.ts";
import type { ImageConfig } from "@wrenn/recipe";
import type { BuildPlan, PlannedStep } from "./recipe.ts";
import type { PackedSource } from "./requested-build.ts";

/** What a builder makes a template from. */
export interface BuildJob {
  /** Public id of the build. */
  readonly id: string;
  /** Public id of the team. */
  readonly team: string;
  /** What it is built of is the platform's, and so are all programs of the template. */
  readonly ownPrograms: boolean;
  readonly base: FoundTemplate;
  /** How people call the base, and the template that is made. */
  readonly baseName: string;
  readonly name: string;
  /** Key of the files of the template, which no other build has. */
  readonly hostKey: string;
  /** In their order, numbered from 1, as far as they are known before a capsule of the base runs. */
  readonly steps: readonly PlannedStep[];
  /** What holds for capsules of the template, likewise. */
  readonly config: ImageConfig;
  /** It starts from an image, whose settings are all that is known of its environment. */
  readonly fromImage: boolean;
  /** The same with the environment that processes of the base really have. @throws WrennError `recipe_invalid`. */
  readonly plan: (env: Readonly<Record<string, string>>) => BuildPlan;
  /** Of the request, before that of the recipe; empty without one. */
  readonly healthcheck: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** The version of the template that a build with one of these keys has made; undefined when there is none. */
  readonly findMade: (keys: readonly string[]) => Promise<string | undefined>;
  /** The files that COPY takes, in pieces; undefined without an archive. Can be read more than once. */
  readonly archive: (() => AsyncIterable<Uint8Array>) | undefined;
  /** What of the archive is for which step; undefined where the instructions name its files. */
  readonly sources: ReadonlyMap<number, PackedSource> | undefined;
  /** Values by their ids. */
  readonly secrets: ReadonlyMap<string, string>;
  /** This step and those behind it are performed, also when they have been before; undefined: only those that are new. */
  readonly repeatFrom: number | undefined;
}

/** What a report says of a step. */
export type ReportedStep = Pick<PlannedStep, "step" | "phase" | "cmd">;

/** How a step ended. */
export interface StepEnd {
  /** Exit code of its process; undefined for a step without one. */
  readonly exit?: number | undefined;
  readonly ok: boolean;
  /** Its result was there from an earlier build. */
  readonly cached?: boolean;
}

/**
 * What a build does besides its steps: the image that it starts from before them, and behind them the readiness check, storing the
 * template, starting capsules of it.
 */
export type OwnPhase = "import" | "settle" | "freeze" | "smoke test";

/**
 * Takes what happens in a build. Each call resolves when the next one may follow, and rejects when the build is over: it was cancelled,
 * or another control plane has declared it interrupted.
 */
export interface BuildReport {
  /** The capsule and the host that are used, by their UUIDs. */
  placed(place: { readonly capsuleId?: string; readonly hostId?: string }): Promise<void>;
  stepStarted(step: ReportedStep): Promise<void>;
  /** Output of the current step, cut wherever it was read. */
  output(stream: "stdout" | "stderr", text: string): Promise<void>;
  stepEnded(end: StepEnd): Promise<void>;
  /** Phases follow each other, outside of steps. */
  phaseStarted(name: OwnPhase): Promise<void>;
  phaseEnded(end: { readonly ok: boolean }): Promise<void>;
  /** Files are about to be made under this key: they are removed unless the build succeeds. */
  storing(files: { readonly hostKey: string; readonly hostId: string }): Promise<void>;
}

/** What a build found made: the UUID of a version of its template. */
export interface FoundVersion {
  readonly versionId: string;
}

/** What a build made. */
export interface BuiltTemplate {
  /** Says what led to it; absent where the build cannot be repeated. */
  readonly buildKey?: string | undefined;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly network?: NetworkRules;
  readonly defaultUser: string;
  /** Where its processes start; absent: in the home of their user. */
  readonly defaultCwd?: string;
  readonly defaultEnv: Readonly<Record<string, string>>;
}

/** A step failed: a fault of the recipe, not of the builder. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
  readonly step: PlannedStep;
  /** Of its process; undefined for a step that has none. */
  readonly exitCode: number | undefined;

  /** @param problem - what the step printed last to standard error, or its exit code. */
  constructor(step: PlannedStep, problem: string, exitCode?: number) {
    super(problem);
    this.step = step;
    this.exitCode = exitCode;
  }
}

/** Builds templates. Every implementation passes `test/support/template-builder-contract.ts`. */
export interface TemplateBuilder {
  /**
   * Builds one template. Several builds may be under way at a time.
   *
   * When `signal` aborts it rejects with the signal's reason and leaves neither capsule nor files behind.
   *
   * @throws StepFailed; WrennError for what else went wrong.
   */
  build(job: BuildJob, report: BuildReport, signal: AbortSignal): Promise<BuiltTemplate | FoundVersion>;
}
