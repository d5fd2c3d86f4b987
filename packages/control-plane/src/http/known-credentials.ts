import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { bearerToken } from "./identity.ts";
import type { Identity, RequestAuthenticator } from "./identity.ts";

/** Credentials that were good are let in this long although their network is at its limit. */
const GOOD_MS = 10 * 60_000;
/** Credentials that were wrong are refused this long without another look. */
const WRONG_MS = 5000;
const MAX_ENTRIES = 10_000;

type Wrong = "api_key_invalid" | "token_invalid";

/**
 * An authenticator that remembers hashes of credentials that were tried lately. It admits no one by itself: what is good is looked up each
 * time; what was wrong is refused for a moment without a look.
 */
export class KnownCredentials implements RequestAuthenticator {
  readonly #authenticator: RequestAuthenticator;
  readonly #clock: Clock;
  /** Until when they count, the latest last. */
  readonly #good = new Map<string, number>();
  readonly #wrong = new Map<string, { readonly until: number; readonly reason: Wrong }>();

  constructor(authenticator: RequestAuthenticator, clock: Clock) {
    this.#authenticator = authenticator;
    this.#clock = clock;
  }

  async authenticate(headers: IncomingHttpHeaders): Promise<Identity> {
    const print = credentialPrint(headers);
    if (print === undefined) return await this.#authenticator.authenticate(headers);
    const wrong = this.#wrong.get(print);
    if (wrong && wrong.until > this.#clock.monotonic()) throw new WrennError(wrong.reason, {});
    try {
      const identity = await this.#authenticator.authenticate(headers);
      this.#wrong.delete(print);
      // A login is one, however many tokens it has had.
      this.#remember(identity.session ? sessionPrint(identity.session.id) : print);
      return identity;
    } catch (error) {
      if (WrennError.is(error, "api_key_invalid") || WrennError.is(error, "token_invalid")) {
        this.#good.delete(print);
        put(this.#wrong, print, { until: this.#clock.monotonic() + WRONG_MS, reason: error.reason });
      }
      throw error;
    }
  }

  /** Credentials of another kind were good. */
  remember(headers: IncomingHttpHeaders): void {
    const print = credentialPrint(headers);
    if (print !== undefined) this.#remember(print);
  }

  /** Also true for a new token of a login that was good: its signature is checked, and no more. */
  async wereGood(headers: IncomingHttpHeaders): Promise<boolean> {
    const print = credentialPrint(headers);
    if (print === undefined || this.#isGood(print)) return print !== undefined;
    const token = headers["x-api-key"] === undefined ? bearerToken(headers) : undefined;
    const session = token === undefined ? undefined : await this.#authenticator.signedSession?.(token);
    return session !== undefined && this.#isGood(sessionPrint(session));
  }

  #isGood(print: string): boolean {
    return (this.#good.get(print) ?? 0) > this.#clock.monotonic();
  }

  #remember(print: string): void {
    this.#wrong.delete(print);
    put(this.#good, print, this.#clock.monotonic() + GOOD_MS);
  }
}

export function hasCredentials(headers: IncomingHttpHeaders): boolean {
  return headers["x-api-key"] !== undefined || headers.authorization !== undefined;
}

/** Stands for the credentials of a request; undefined when it has none. */
function credentialPrint(headers: IncomingHttpHeaders): string | undefined {
  const key = headers["x-api-key"];
  if (typeof key === "string") return hash("sha256", `key ${key}`, "base64url");
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  // By the token and not by the header: spaces and case around it would make many of one.
  return hash("sha256", `token ${bearerToken(headers) ?? authorization}`, "base64url");
}

function sessionPrint(id: string): string {
  return `session ${id}`;
}

/** Adds the newest entry; the oldest leaves. */
function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_ENTRIES && oldest !== undefined) map.delete(oldest);
}
