import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";

const NOT_OFFERED = 501;

/** The body of every refusal (docs/reference/rest-api.md#errors); fields beyond code and message are ours. */
export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** The precise entry of the error catalogue. */
    readonly reason: string;
    readonly remedy: string;
    readonly request_id: string;
    /** Path of the field that is refused, such as `network.allow.0`. */
    readonly field?: string;
    readonly sandbox_ids?: readonly string[];
    /** Bytes of input that were taken, where not all were. */
    readonly accepted?: number;
    /** Where the input of a process continues, when bytes before those that were sent are missing. */
    readonly expected?: number;
  };
  /** Again, where clients of the contract look for them. */
  readonly sandbox_ids?: readonly string[];
}

/** What an error becomes on the wire. Anything that is not of the catalogue is ours, and its text stays in the log. */
export function toWire(
  error: unknown,
  requestId: string,
  logger: Logger,
): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
} {
  const known = error instanceof WrennError ? error : new WrennError("internal", {}, { cause: error });
  // What a server does not offer is no failure of it.
  if (known.entry.fault === "system" && known.entry.status !== NOT_OFFERED) {
    logger.error("request.failed", {
      request_id: requestId,
      reason: known.reason,
      problem: known.message,
      cause: describe(known.cause),
    });
  }
  const capsules = WrennError.is(known, "host_has_capsules")
    ? { sandbox_ids: String(known.context["sandbox_ids"]).split(", ") }
    : {};
  return {
    status: known.entry.status,
    headers: headersOf(known),
    body: {
      error: {
        code: known.entry.code,
        message: known.message,
        reason: known.reason,
        remedy: known.remedy,
        request_id: requestId,
        ...(WrennError.is(known, "invalid_field") ? { field: String(known.context["field"]) } : {}),
        ...capsules,
        ...(WrennError.is(known, "input_not_read") ? { accepted: Number(known.context["accepted"]) } : {}),
        ...(WrennError.is(known, "input_offset_differs")
          ? { expected: Number(known.context["expected"]) }
          : {}),
      },
      ...capsules,
    },
  };
}

function headersOf(error: WrennError): Readonly<Record<string, string>> {
  if (error.retryAfter !== undefined) return { "retry-after": String(error.retryAfter) };
  if (WrennError.is(error, "method_not_allowed")) return { allow: String(error.context["allowed"]) };
  // RFC 9110 §12.5.3: what is accepted in place of the coding that was refused.
  if (WrennError.is(error, "unsupported_content_encoding")) return { "accept-encoding": "identity" };
  return {};
}

function describe(cause: unknown): string | undefined {
  if (cause === undefined) return undefined;
  return cause instanceof Error ? (cause.stack ?? cause.message) : problemOf(cause);
}
