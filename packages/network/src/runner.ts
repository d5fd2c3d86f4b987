import { runCommand } from "@wrenn/system";

/** Runs one program from an argument vector; input goes to its standard input. Rejects when its exit code is not 0. */
export type Runner = (
  argv: readonly [string, ...string[]],
  options: { readonly input?: string; readonly signal?: AbortSignal },
) => Promise<{ readonly stdout: string }>;

/** The machine's own programs. */
export const systemRunner: Runner = (argv, options) => runCommand(argv, options);
