import { errorOfEnvelope } from "./error-of-answer.ts";
import { WrennError } from "./wrenn-error.ts";

/** The message that ends a WebSocket session which failed (docs/reference/websocket-api.md#sessions). */
export interface ErrorMessage {
  readonly type: "error";
  readonly data: string;
  /** As in answers, with the HTTP status: where the client chose a sub-protocol. */
  readonly error?: Readonly<Record<string, unknown>>;
}

/** The error of a session. One without a code comes from an older server. */
export function errorOfMessage({ data, error }: ErrorMessage): WrennError {
  if (!error) return new WrennError({ code: "session_failed", message: data });
  const { status, ...fields } = error;
  return errorOfEnvelope({ error: fields }, { status: typeof status === "number" ? status : undefined });
}

/** A message of the server. @throws WrennError `invalid_answer` for what is not JSON. */
export function parseMessage(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WrennError(
      {
        code: "invalid_answer",
        message: "a message of a WebSocket session is not JSON",
        remedy: "Check the URL, and what proxies between here and the server do to WebSockets.",
      },
      { cause: error },
    );
  }
}
