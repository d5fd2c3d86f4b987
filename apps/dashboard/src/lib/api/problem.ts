import { isWrennError } from "@wrenn/sdk";

/** An error as people are shown it. */
export interface Problem {
  readonly message: string;
  readonly remedy: string | undefined;
  readonly code: string;
  readonly requestId: string | undefined;
  /** Whether the same may work later. */
  readonly isPassing: boolean;
}

const PASSING_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);

/** @param error - anything that was thrown. */
export function problemOf(error: unknown): Problem {
  if (isWrennError(error))
    return {
      message: sentence(error.message),
      remedy: error.remedy,
      code: error.reason ?? error.code,
      requestId: error.requestId,
      isPassing: error.status === undefined || PASSING_STATUSES.has(error.status),
    };
  return {
    message: sentence(error instanceof Error ? error.message : String(error)),
    remedy: "Reload the page. If it happens again, it is a fault of the dashboard.",
    code: "dashboard_failed",
    requestId: undefined,
    isPassing: false,
  };
}

/** Whether an error is the reason of an abort, of which nobody needs to be told. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
