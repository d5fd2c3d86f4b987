/** Codes of errors that the SDK itself reports; all others are the server's (docs/reference/errors.md). */
export type ClientErrorCode =
  | "unknown_option"
  | "invalid_option"
  | "not_configured"
  | "connection_failed"
  | "connection_lost"
  | "request_timed_out"
  | "stream_lost"
  | "invalid_answer"
  | "command_timed_out"
  | "command_failed"
  | "body_spent"
  | "file_changed"
  | "git_failed"
  | "git_authentication_failed"
  | "detached"
  | "session_failed"
  | "terminal_ended"
  | "already_read"
  | "recipe_invalid"
  | "context_invalid"
  | "build_failed"
  | "unsupported_runtime";

/** What a {@link WrennError} is made of; also its JSON form. */
export interface WrennErrorFields {
  /** Class of the error: the server's `code`, or one of {@link ClientErrorCode}. */
  readonly code: string;
  readonly message: string;
  /** The precise entry of the server's error catalogue, such as `capsule_name_taken`; that of the SDK's own errors is their code. */
  readonly reason?: string | undefined;
  /** What the user can do about it. */
  readonly remedy?: string | undefined;
  /** Id of the request, for the server's log. */
  readonly requestId?: string | undefined;
  /** HTTP status; absent where no answer arrived. */
  readonly status?: number | undefined;
  /** Milliseconds after which the server suggests to try again. */
  readonly retryAfterMs?: number | undefined;
  /** Further fields of the error, such as `accepted` of refused input or the `result` of a command that timed out. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** Marks errors of every copy of this module, and their JSON. */
const BRAND = "wrennError";
const VERSION = 1;

/** Statuses of the server after which the same request may succeed. */
const RETRYABLE_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);
const RETRYABLE_CODES = new Set(["connection_failed", "connection_lost", "request_timed_out"]);

/**
 * Every failure that the SDK reports, except aborts: these reject with the reason of the caller's signal.
 *
 * Recognise it by {@link isWrennError}, which also works across copies of the package and on its JSON.
 */
export class WrennError extends Error implements WrennErrorFields {
  override readonly name = "WrennError";
  readonly [BRAND] = VERSION;
  readonly code: string;
  readonly reason: string;
  readonly remedy: string | undefined;
  readonly requestId: string | undefined;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(fields: WrennErrorFields, options?: { readonly cause?: unknown }) {
    super(fields.message, options);
    this.code = fields.code;
    this.reason = fields.reason ?? fields.code;
    this.remedy = fields.remedy;
    this.requestId = fields.requestId;
    this.status = fields.status;
    this.retryAfterMs = fields.retryAfterMs;
    this.details = fields.details ?? {};
  }

  /** Whether the same request may succeed later: the connection or the server failed, not the request. */
  get isRetryable(): boolean {
    return this.status === undefined ? RETRYABLE_CODES.has(this.code) : RETRYABLE_STATUSES.has(this.status);
  }

  /** Everything but stack and cause. {@link isWrennError} recognises the result after `JSON.parse`, too. */
  toJSON(): WrennErrorFields & { readonly name: string } {
    const { name, code, message, reason, remedy, requestId, status, retryAfterMs, details } = this;
    const fields = { name, code, message, reason, remedy, requestId, status, retryAfterMs, details };
    return Object.assign(fields, { [BRAND]: VERSION });
  }
}

/**
 * Whether `value` is a {@link WrennError} of this or another copy of the package, or the JSON of one.
 *
 * @param code - only errors with this `code` or `reason`.
 * @example
 * ```ts
 * try {
 *   await Capsule.create({ name: "report" });
 * } catch (error) {
 *   if (!isWrennError(error, "capsule_name_taken")) throw error;
 * }
 * ```
 */
export function isWrennError(
  value: unknown,
  code?: ClientErrorCode | (string & {}),
): value is WrennErrorFields {
  if (typeof value !== "object" || value === null || !(BRAND in value)) return false;
  const { code: has, reason } = value as Partial<WrennErrorFields>;
  return typeof has === "string" && (code === undefined || has === code || reason === code);
}
