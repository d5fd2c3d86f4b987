import { WrennError } from "@wrenn/core";

/** A request that failed for a reason that may pass, so that it is repeated. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly isRateLimit: boolean;
  /** Milliseconds after which the server asks to come again. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: {
      readonly isRateLimit?: boolean;
      readonly retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.isRateLimit = options.isRateLimit ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** The error that a user gets when repeating did not help. */
  asWrennError(registry: string): WrennError {
    return this.isRateLimit
      ? new WrennError("registry_rate_limited", { registry }, { cause: this })
      : new WrennError("registry_unreachable", { registry, problem: this.message }, { cause: this });
  }
}

/**
 * What a failed `fetch` means, without addresses: those of blobs are signed, so that their query is a credential.
 *
 * @returns the error itself where it is one of ours.
 */
export function transferErrorOf(error: unknown): unknown {
  if (error instanceof WrennError || error instanceof TransferError) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return new TransferError(typeof code === "string" ? (CODES[code] ?? code) : "the connection broke", {
    cause: error,
  });
}

const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection is refused",
  ECONNRESET: "the connection broke",
  ENOTFOUND: "its host name is unknown",
  EAI_AGAIN: "its host name cannot be looked up",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "its host cannot be reached",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
  UND_ERR_SOCKET: "the connection broke",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
};
