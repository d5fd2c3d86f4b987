import { WrennError } from "@wrenn/core";
import { ApiError } from "../client/api-client.ts";
import { CommandExit } from "../command-exit.ts";

/** Explains an error to a person and returns the exit code: 2 for the user's mistakes, 1 for ours and the machine's. */
export function reportFailure(error: unknown, output: NodeJS.WritableStream): number {
  if (error instanceof CommandExit) return error.code;
  if (error instanceof WrennError) {
    output.write(`wrenn: ${error.message}\n       ${error.remedy}\n`);
    if (error.entry.fault === "system" && error.cause instanceof Error)
      output.write(`       cause: ${error.cause.message}\n`);
    return error.entry.fault === "user" ? 2 : 1;
  }
  if (error instanceof ApiError) {
    output.write(`wrenn: ${error.message}\n`);
    if (error.remedy !== undefined) output.write(`       ${error.remedy}\n`);
    return error.status < 500 ? 2 : 1;
  }
  output.write(`wrenn: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}
