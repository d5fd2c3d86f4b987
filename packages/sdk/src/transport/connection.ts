import { WrennError } from "../errors/wrenn-error.ts";
import { platform } from "./platform.ts";
import type { NetworkSettings } from "./platform.ts";

/** What a retry is about, for {@link ConnectionOptions.onRetry}. */
export interface RetryNotice {
  readonly method: string;
  readonly path: string;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next attempt. */
  readonly delayMs: number;
  readonly error: WrennError;
}

/** Where the server is, what opens it, and how requests behave. Every call that reaches a server takes these. */
export interface ConnectionOptions {
  /** Address of the server. Default: `WRENN_URL`, else `WRENN_BASE_URL`, else `http://localhost:8080`. */
  readonly url?: string | undefined;
  /** API key; null sends no credentials, for routes that need none, such as `GET /v1/info`. Default: `WRENN_API_KEY`. */
  readonly apiKey?: string | null | undefined;
  /** Access token of a login, instead of an API key: a function is called for each request. */
  readonly accessToken?: string | (() => string | Promise<string>) | undefined;
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds that the head of an answer may take, where the call does not take longer by its nature. Default: 60,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** How often a request that is safe to repeat is sent again. Default: 3. */
  readonly retries?: number | undefined;
  /** Called before each repetition. An error that it throws rejects the call. */
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  /** Milliseconds for which a broken stream is resumed before it fails with `stream_lost`. Default: 120,000. */
  readonly resumeMs?: number | undefined;
  /** Milliseconds without a byte, heartbeats included, after which a stream counts as broken. Default: 45,000. */
  readonly silenceMs?: number | undefined;
  /** Replaces `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** Node only: file of certificate authorities (PEM) that are trusted as well. Default: `WRENN_CA_FILE`, else `SSL_CERT_FILE`. */
  readonly caFile?: string | undefined;
}

/** {@link ConnectionOptions} with defaults applied. */
export interface ConnectionSettings extends NetworkSettings {
  /** Without a slash at its end. */
  readonly url: string;
  /** Undefined: requests carry none. */
  readonly credentials: () => Promise<Credentials | undefined>;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  readonly retries: number;
  readonly onRetry: ((notice: RetryNotice) => void) | undefined;
  readonly resumeMs: number;
  readonly silenceMs: number;
  readonly fetch: typeof fetch | undefined;
}

export type Credentials = { readonly apiKey: string } | { readonly accessToken: string };

/** Names of {@link ConnectionOptions}: calls that take them beside their own accept these, too. */
export const connectionOptionNames = [
  "url",
  "apiKey",
  "accessToken",
  "headers",
  "requestTimeoutMs",
  "retries",
  "onRetry",
  "resumeMs",
  "silenceMs",
  "fetch",
  "caFile",
] as const satisfies readonly (keyof ConnectionOptions)[];

const DEFAULT_URL = "http://localhost:8080";

/**
 * Applies environment and defaults.
 *
 * @throws WrennError `not_configured` without credentials; `invalid_option` for an address that is none.
 */
export function connectionSettings(options: ConnectionOptions): ConnectionSettings {
  const { env } = platform();
  const url = options.url ?? env("WRENN_URL") ?? env("WRENN_BASE_URL") ?? DEFAULT_URL;
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    throw new WrennError({
      code: "invalid_option",
      message: `url must be the http or https address of a server, not '${url}'`,
      remedy: "Pass url, or set WRENN_URL, such as http://localhost:8080.",
      details: { option: "url" },
    });
  return {
    url: url.replace(/\/+$/, ""),
    credentials: credentialsOf(options),
    headers: options.headers ?? {},
    requestTimeoutMs: options.requestTimeoutMs ?? 60_000,
    retries: options.retries ?? 3,
    onRetry: options.onRetry,
    resumeMs: options.resumeMs ?? 120_000,
    silenceMs: options.silenceMs ?? 45_000,
    fetch: options.fetch,
    caFile: options.caFile ?? env("WRENN_CA_FILE") ?? env("SSL_CERT_FILE"),
  };
}

function credentialsOf({ apiKey, accessToken }: ConnectionOptions): () => Promise<Credentials | undefined> {
  if (apiKey === null) return async () => undefined;
  if (apiKey === undefined && accessToken !== undefined)
    return async () => ({ accessToken: typeof accessToken === "string" ? accessToken : await accessToken() });
  const key = apiKey ?? platform().env("WRENN_API_KEY");
  if (key === undefined || key === "")
    throw new WrennError({
      code: "not_configured",
      message: "there is no API key",
      remedy: "Pass apiKey, or set WRENN_API_KEY to the key that `wrenn up` printed.",
    });
  return async () => ({ apiKey: key });
}

/** The headers that carry credentials. */
export async function credentialHeaders(settings: ConnectionSettings): Promise<Record<string, string>> {
  const credentials = await settings.credentials();
  if (!credentials) return {};
  return "apiKey" in credentials
    ? { "x-api-key": credentials.apiKey }
    : { authorization: `Bearer ${credentials.accessToken}` };
}
