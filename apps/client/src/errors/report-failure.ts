import { isWrennError } from "@wrenn/sdk";
import { escapeText } from "../output/escape-text.ts";
import type { Output } from "../output/output.ts";
import { ClientError } from "./client-error.ts";
import { exitCodes, exitKindOf } from "./exit-codes.ts";
import type { ExitKind } from "./exit-codes.ts";

/** Ends the command with an exit code after everything worth saying was said, such as that of a program in a capsule. */
export class Exit extends Error {
  override readonly name = "Exit";
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

interface Described {
  readonly kind: ExitKind;
  readonly error: {
    readonly code: string;
    readonly reason?: string | undefined;
    readonly message: string;
    readonly remedy?: string | undefined;
    readonly request_id?: string | undefined;
  };
}

/**
 * Explains a failure, as the one document under `--json`, else on standard error, and gives the exit code.
 *
 * @param runsPrograms - whether the command passes exit codes of programs on: its own failures are then `ownFailure`.
 */
export function reportFailure(thrown: unknown, output: Output, runsPrograms: boolean): number {
  if (thrown instanceof Exit) return thrown.code;
  const { kind, error } = describe(thrown);
  if (output.isJson) {
    if (output.isWritten) output.item({ error }, () => "");
    else output.data({ error }, () => "");
  } else {
    const request = error.request_id === undefined ? "" : ` (request ${error.request_id})`;
    output.note(`wrenn: ${escapeText(error.message)}${request}`);
    if (error.remedy !== undefined) output.note(`       ${escapeText(error.remedy)}`);
  }
  const passes = kind === "timedOut" || kind === "interrupted";
  return exitCodes[runsPrograms && !passes ? "ownFailure" : kind].code;
}

function describe(thrown: unknown): Described {
  if (thrown instanceof ClientError) {
    const { exit: kind, code, message, remedy } = thrown;
    return { kind, error: { code, message, remedy } };
  }
  if (isWrennError(thrown)) {
    const { code, reason, message, remedy, requestId } = thrown;
    return { kind: exitKindOf(thrown), error: { code, reason, message, remedy, request_id: requestId } };
  }
  if (thrown instanceof Error && "remedy" in thrown && "reason" in thrown) {
    // Of the packages of the server, which a program that starts servers has.
    const { reason, remedy, cause } = thrown;
    const message = cause instanceof Error ? `${thrown.message} (${cause.message})` : thrown.message;
    return { kind: "failed", error: { code: String(reason), message, remedy: String(remedy) } };
  }
  // A fault of ours: the stack is what its report needs.
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { kind: "failed", error: { code: "internal", message } };
}
