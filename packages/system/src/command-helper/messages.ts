import type { CommandOptions, CommandResult } from "../run-command.ts";

/** What a command helper takes of the options of a command. */
export type HelperCommandOptions = Pick<CommandOptions, "files" | "env" | "untilOutputEnds"> & {
  readonly input?: string;
};

export type ToHelper =
  | ({
      readonly type: "run";
      readonly ref: number;
      readonly argv: readonly [string, ...string[]];
    } & HelperCommandOptions)
  | { readonly type: "abort"; readonly ref: number };

export type FromHelper =
  | { readonly type: "stdout"; readonly ref: number; readonly text: string }
  | { readonly type: "done"; readonly ref: number; readonly result: CommandResult }
  /** `missing`: the program, which does not exist. */
  | { readonly type: "failed"; readonly ref: number; readonly problem: string; readonly missing?: string };
