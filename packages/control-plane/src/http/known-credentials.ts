import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

/** Credentials that were good are let in this long although their network is at its limit. */
const GOOD_MS = 10 * 60_000;
/** Credentials that were wrong are refused this long without another look. */
const WRONG_MS = 5000;
const MAX_ENTRIES = 10_000;
/** Refusals that say that there are no such credentials, whatever they are used for. */
const WRONG: ReadonlySet<string> = new Set(["api_key_invalid", "token_invalid"]);

/** Remembers hashes of credentials that were tried lately. It admits no one: what is good is still looked up. */
export class KnownCredentials {
  readonly #clock: Clock;
  readonly #good = new Map<string, number>();
  readonly #wrong = new Map<
    string,
    { readonly until: number; readonly reason: "api_key_invalid" | "token_invalid" }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wereGood(print: string): boolean {
    return (this.#good.get(print) ?? 0) > this.#clock.monotonic();
  }

  /** @throws WrennError `api_key_invalid`, `token_invalid` for credentials that were refused with it a moment ago. */
  refuseWrong(print: string): void {
    const known = this.#wrong.get(print);
    if (known && known.until > this.#clock.monotonic()) throw new WrennError(known.reason, {});
  }

  succeeded(print: string): void {
    this.#wrong.delete(print);
    put(this.#good, print, this.#clock.monotonic() + GOOD_MS);
  }

  failed(print: string, error: WrennError): void {
    if (!WRONG.has(error.reason)) return;
    const reason = error.reason === "token_invalid" ? "token_invalid" : "api_key_invalid";
    this.#good.delete(print);
    // Trying them again does not keep them here.
    const known = this.#wrong.get(print);
    if (!known || known.until <= this.#clock.monotonic())
      put(this.#wrong, print, { until: this.#clock.monotonic() + WRONG_MS, reason });
  }
}

/** Stands for the credentials of a request; undefined when it has none. */
export function credentialPrint(headers: IncomingHttpHeaders): string | undefined {
  const key = headers["x-api-key"];
  if (typeof key === "string" && key !== "") return hash("sha256", `key ${key}`, "base64url");
  const { authorization } = headers;
  return authorization === undefined ? undefined : hash("sha256", `token ${authorization}`, "base64url");
}

/** Adds the newest entry; the oldest leaves. */
function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_ENTRIES && oldest !== undefined) map.delete(oldest);
}
