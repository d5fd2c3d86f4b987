import { parseWords } from "@wrenn/client";
import { reportFailure } from "./output/report-failure.ts";
import { createProgram } from "./program.ts";

/**
 * Runs the command that the process was started with.
 *
 * @param isBundled - whether this code is a bundle of the sources.
 */
export async function runProgram(isBundled: boolean): Promise<void> {
  try {
    const code = await parseWords(createProgram(isBundled), process, process.argv.slice(2));
    if (code !== undefined) process.exitCode = code;
  } catch (error) {
    process.exitCode = reportFailure(error, process.stderr);
  }
}
