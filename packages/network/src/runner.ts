import { WrennError } from "@wrenn/core";
import { tryCommand } from "@wrenn/system";
import type { RunProgram } from "@wrenn/system";

/** Characters of a program's standard error that an error repeats. */
const PROBLEM_LIMIT = 500;

/** Runs one program from an argument vector; input goes to its standard input. Rejects when its exit code is not 0. */
export type Runner = (
  argv: readonly [string, ...string[]],
  options: {
    readonly input?: string;
    /** Texts that the program, and programs that it starts, may open as `/dev/fd/3`, `/dev/fd/4`, … */
    readonly files?: readonly string[];
    readonly signal?: AbortSignal;
    /** Gets all of the standard output in pieces; what the result holds of it is bounded. */
    readonly onStdout?: (text: string) => void;
  },
) => Promise<{ readonly stdout: string }>;

/**
 * The machine's own programs, which `run` starts.
 *
 * @throws WrennError `command_failed` with everything that the program reported: the last line of `ip -batch` names only the
 * line of its input, the one before it says what was wrong.
 */
export const createRunner =
  (run: RunProgram): Runner =>
  async (argv, options) => {
    const result = await run(argv, options);
    if (result.code === 0) return result;
    const words = result.stderr
      .trim()
      .split(/\s*\n\s*/)
      .join("; ")
      .slice(-PROBLEM_LIMIT);
    throw new WrennError("command_failed", {
      command: argv[0],
      problem: words || `exit code ${result.code}`,
    });
  };

/** The same, started by this process. */
export const systemRunner: Runner = createRunner(tryCommand);
