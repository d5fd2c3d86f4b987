import { WrennError } from "./wrenn-error.ts";

/** Bytes of an answer that is no error envelope, such as a proxy's page, which the message quotes. */
const QUOTED = 200;

interface Envelope {
  readonly error: Readonly<Record<string, unknown>>;
}

/**
 * The error of a refused request (docs/reference/rest-api.md#errors).
 *
 * @param text - body of the answer; one that is not the server's envelope comes from something between.
 */
export function errorOfAnswer(
  answer: { readonly status: number; readonly headers: Headers },
  text: string,
  what: string,
): WrennError {
  const retryAfterMs = retryAfterOf(answer.headers);
  const envelope = parseEnvelope(text);
  if (!envelope) {
    const quoted = text.trim().replaceAll(/\s+/g, " ").slice(0, QUOTED);
    return new WrennError({
      code: "invalid_answer",
      status: answer.status,
      message: `${what} was answered with status ${answer.status} by something that is not a Wrenn server${quoted === "" ? "" : `: ${quoted}`}`,
      remedy: "Check the URL, and what proxies between here and the server answer.",
      requestId: answer.headers.get("x-request-id") ?? undefined,
      retryAfterMs,
    });
  }
  return errorOfEnvelope(envelope, { status: answer.status, retryAfterMs });
}

/** The error of an envelope that arrived in an answer, a stream or a WebSocket message. */
export function errorOfEnvelope(
  { error }: Envelope,
  about: { readonly status?: number | undefined; readonly retryAfterMs?: number | undefined } = {},
): WrennError {
  const { code, message, reason, remedy, request_id: requestId, ...details } = error;
  return new WrennError({
    ...about,
    code: String(code),
    message: String(message),
    reason: textOf(reason),
    remedy: textOf(remedy),
    requestId: textOf(requestId),
    details,
  });
}

export function parseEnvelope(text: string): Envelope | undefined {
  try {
    const { error } = JSON.parse(text) as Partial<Envelope>;
    const isEnvelope = typeof error === "object" && error !== null && typeof error["code"] === "string";
    return isEnvelope ? { error } : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterOf(headers: Headers): number | undefined {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
