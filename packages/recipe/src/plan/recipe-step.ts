import type { RecipeInstruction, RunMount } from "../instructions/instruction.ts";
import type { RecipePosition } from "../syntax/problem.ts";
import type { ImageConfig } from "./image-config.ts";

/** A program with its arguments, or a file that names its interpreter. */
export type StepProgram = { readonly argv: readonly string[] } | { readonly script: string };

/** A source of COPY: a path in the context, or a pattern of paths. */
export interface RecipeSource {
  readonly pattern: string;
  readonly position: RecipePosition;
}

/** A file whose contents are in the recipe. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
}

/** Puts files of the context and of the recipe into the template. */
export interface CopyAction {
  readonly type: "copy";
  readonly sources: readonly RecipeSource[];
  readonly files: readonly InlineFile[];
  /** Absolute, without a slash at its end. */
  readonly target: string;
  /** False: the target is the file itself, unless it is a directory already. */
  readonly targetIsDirectory: boolean;
  /** Name or id of a user, with `:group` where one was given. */
  readonly owner: string;
  /** Undefined: files keep their effective mode. */
  readonly mode: number | undefined;
  /** Whether archives among the sources are unpacked. */
  readonly unpack: boolean;
}

/** What a step does in the capsule of the build. */
export type StepAction =
  | {
      readonly type: "run";
      readonly program: StepProgram;
      readonly timeoutMs: number | undefined;
      readonly mounts: readonly RunMount[];
    }
  /** Goes on running in the background. */
  | { readonly type: "start"; readonly program: StepProgram }
  | CopyAction
  /** Makes a directory of a user, unless it exists. */
  | { readonly type: "directory"; readonly path: string; readonly owner: string }
  /** Makes a user unless it exists. */
  | { readonly type: "user"; readonly name: string }
  /** Changes settings of the template only. */
  | { readonly type: "config" };

/** What holds when a step begins. */
export interface StepState {
  /** Variables of ENV and ARG; what a log-in sets is there beside them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute; undefined: the home of the user. */
  readonly cwd: string | undefined;
  readonly user: string;
  readonly shell: readonly string[];
}

/** One step of a build from a recipe. */
export interface RecipeStep {
  /** From 1. */
  readonly number: number;
  readonly instruction: RecipeInstruction;
  readonly action: StepAction;
  readonly state: StepState;
}

/** What a recipe makes, with all variables expanded. */
export interface RecipePlan {
  /** What FROM names; undefined without FROM. */
  readonly base: string | undefined;
  readonly steps: readonly RecipeStep[];
  readonly config: ImageConfig;
  /** Arguments that were given and that no ARG declares, sorted. */
  readonly unusedArgs: readonly string[];
}
