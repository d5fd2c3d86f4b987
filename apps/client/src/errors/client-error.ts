import type { ExitKind } from "./exit-codes.ts";

/** A failure of the command line itself, with what to do about it. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  /** For `--json` and scripts: snake case, such as `not_logged_in`. */
  readonly code: string;
  readonly remedy: string;
  readonly exit: ExitKind;

  constructor(exit: ExitKind, code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
    this.code = code;
    this.remedy = remedy;
  }
}
