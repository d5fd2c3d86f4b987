import { WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { toWire } from "./envelope.ts";
import { SocketRefused } from "./socket-route.ts";

/** How a session reports its failure. */
export interface SessionErrorOptions {
  /** `error` messages of the route carry `"fatal": true`. */
  readonly isFatal: boolean;
  /** The client chose a sub-protocol of ours: the message carries the error as answers of the REST API do, with its status. */
  readonly isTyped: boolean;
  readonly requestId: string;
  readonly logger: Logger;
}

/**
 * The `error` message of a session (docs/reference/websocket-api.md#sessions).
 *
 * @param text - says what is wrong, where clients know a text; default: the message of the error.
 */
export function sessionError(
  error: unknown,
  { isFatal, isTyped, requestId, logger }: SessionErrorOptions,
  text?: string,
): Readonly<Record<string, unknown>> {
  const known = error instanceof SocketRefused ? (catalogued(error) ?? error) : error;
  const refused =
    known instanceof SocketRefused ? new WrennError("request_refused", { problem: known.message }) : known;
  const said = text ?? (error instanceof SocketRefused ? error.message : undefined);
  const isLogged = isTyped || said === undefined;
  const wire = isLogged ? toWire(refused, requestId, logger) : undefined;
  const data = said ?? wire?.body.error.message;
  return {
    type: "error",
    data,
    ...(isFatal ? { fatal: true } : {}),
    ...(isTyped && wire ? { error: { ...wire.body.error, status: wire.status, message: data } } : {}),
  };
}

/** The error of the catalogue that a refusal stands for. */
function catalogued({ cause }: SocketRefused): WrennError | undefined {
  if (cause instanceof SocketRefused) return catalogued(cause);
  return cause instanceof WrennError ? cause : undefined;
}
