import type { Heredoc } from "../syntax/heredocs.ts";
import type { RecipePosition, RecipeRange } from "../syntax/problem.ts";
import type { Written } from "../syntax/written.ts";

/** What a program is started with. */
export type RecipeCommand =
  /** A text for the shell. */
  | { readonly form: "shell"; readonly text: string }
  /** A program and its arguments, without a shell. */
  | { readonly form: "exec"; readonly argv: readonly string[] }
  /** A file that names its interpreter in its first line (`#!`). */
  | { readonly form: "script"; readonly text: string };

/** A file of a step that is there while the step runs, and is no part of the template. */
export type RunMount =
  | {
      readonly type: "secret";
      readonly id: string;
      /** Where the value is a file. Undefined when it is in a variable only. */
      readonly target: string | undefined;
      /** Variable that has the value. */
      readonly env: string | undefined;
      /** Whether the build fails when the secret is not given. */
      readonly required: boolean;
    }
  | {
      readonly type: "cache";
      /** Steps with the same id share the directory. */
      readonly id: string;
      readonly target: string;
    }
  | {
      readonly type: "bind";
      /** Path in the context, or a pattern of paths; empty for the context itself. */
      readonly source: string;
      /** Of the source in the recipe. */
      readonly position: RecipePosition;
      readonly target: string;
    };

/** When a template is ready: a command that exits with 0. Times are in milliseconds. */
export interface ReadinessCheck {
  readonly command: RecipeCommand;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  /** Failures after the start period that are allowed; 0 is no limit. */
  readonly retries: number;
  /** When the check as a whole has failed. */
  readonly deadlineMs: number;
}

/** NAME and what is written for its value; undefined where nothing is. */
export interface WrittenPair {
  readonly name: Written;
  readonly value: Written | undefined;
}

interface InstructionPlace {
  readonly range: RecipeRange;
  /** The lines of the recipe, with continuations, comments in between and heredocs. */
  readonly written: string;
}

/** What COPY and ADD have in common. */
export interface CopyBody {
  readonly sources: readonly Written[];
  /** Files whose contents stand in the recipe. */
  readonly files: readonly Heredoc[];
  readonly target: Written;
  readonly chown: Written | undefined;
  readonly chmod: Written | undefined;
}

/** What an instruction asks for, before variables are expanded. */
export type InstructionBody =
  | { readonly kind: "FROM"; readonly base: Written }
  | { readonly kind: "ARG"; readonly pairs: readonly WrittenPair[] }
  | { readonly kind: "ENV"; readonly pairs: readonly Required<WrittenPair>[] }
  | { readonly kind: "LABEL"; readonly pairs: readonly WrittenPair[] }
  | {
      readonly kind: "RUN";
      readonly command: RecipeCommand;
      readonly timeoutMs: number | undefined;
      readonly mounts: readonly RunMount[];
    }
  | { readonly kind: "START"; readonly command: RecipeCommand }
  | ({ readonly kind: "COPY" } & CopyBody)
  | ({ readonly kind: "ADD" } & CopyBody)
  | { readonly kind: "WORKDIR"; readonly path: Written }
  | { readonly kind: "USER"; readonly user: Written }
  | { readonly kind: "SHELL"; readonly argv: readonly string[] }
  | { readonly kind: "CMD"; readonly command: RecipeCommand }
  | { readonly kind: "ENTRYPOINT"; readonly command: RecipeCommand }
  | { readonly kind: "EXPOSE"; readonly ports: readonly Written[] }
  | { readonly kind: "STOPSIGNAL"; readonly signal: Written }
  | { readonly kind: "HEALTHCHECK"; readonly check: ReadinessCheck | "none" };

/** An instruction of a recipe, with its place. */
export type RecipeInstruction = InstructionBody & InstructionPlace;

/** An instruction before its arguments are understood. */
export interface RawInstruction {
  readonly keyword: Written;
  /** What follows the keyword, without blanks around it. */
  readonly args: Written;
  readonly heredocs: readonly Heredoc[];
  readonly escape: string;
}
