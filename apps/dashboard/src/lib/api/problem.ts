import { isWrennError } from "@wrenn/sdk";

/** An error as people are shown it. */
export interface Problem {
  readonly message: string;
  readonly remedy: string | undefined;
  readonly code: string;
  readonly requestId: string | undefined;
  /** Path of the field of a request that was refused, as the API calls it. */
  readonly field?: string | undefined;
  /** Whether the same may work later. */
  readonly isPassing: boolean;
}

const PASSING_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Of errors for which there is no answer of the server. */
const PASSING_CODES = new Set(["connection_failed", "connection_lost", "request_timed_out", "stream_lost"]);

/** A field of a form that cannot be used as it was filled in. */
export class FieldError extends Error {
  /** As the API calls the field. */
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** @param error - anything that was thrown. */
export function problemOf(error: unknown): Problem {
  if (isWrennError(error)) {
    const { field } = error.details ?? {};
    return {
      message: sentence(error.message),
      remedy: error.remedy,
      code: error.reason ?? error.code,
      requestId: error.requestId,
      field: typeof field === "string" ? field : undefined,
      isPassing:
        error.status === undefined ? PASSING_CODES.has(error.code) : PASSING_STATUSES.has(error.status),
    };
  }
  if (error instanceof FieldError)
    return {
      message: sentence(error.message),
      remedy: "Correct the field, and try again.",
      code: "field_unreadable",
      requestId: undefined,
      field: error.field,
      isPassing: false,
    };
  return {
    message: sentence(error instanceof Error ? error.message : String(error)),
    remedy: "Reload the page. If it happens again, it is a fault of the dashboard.",
    code: "dashboard_failed",
    requestId: undefined,
    isPassing: false,
  };
}

/** What a person passes on when they ask somebody for help. */
export function problemText({ message, remedy, code, requestId }: Problem): string {
  const lines = [message, remedy, `Code: ${code}`, requestId && `Request: ${requestId}`];
  return lines.filter((line) => line !== undefined && line !== "").join("\n");
}

/** Whether an error is the reason of an abort, of which nobody needs to be told. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
