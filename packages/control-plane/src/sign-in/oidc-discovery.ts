import type { Clock } from "@wrenn/core";
import { WrennError } from "@wrenn/core";
import type { JSONWebKeySet } from "jose";
import { Type } from "typebox";
import type { Static } from "typebox";
import { requestJson } from "./provider-request.ts";

/** Providers change endpoints and keys without telling anybody. */
const KEEP_MS = 3_600_000;
/** How soon an unknown key makes the keys be asked for again: made-up key ids must not become load for the provider. */
const KEYS_AGAIN_MS = 30_000;
const MAX_KEYS = 100;

/** OpenID Connect Discovery 1.0 §3, as far as it is used. */
const Metadata = Type.Object({
  issuer: Type.String(),
  authorization_endpoint: Type.String(),
  token_endpoint: Type.String(),
  jwks_uri: Type.String(),
  userinfo_endpoint: Type.Optional(Type.String()),
  token_endpoint_auth_methods_supported: Type.Optional(Type.Array(Type.String())),
});
const Keys = Type.Object({
  keys: Type.Array(
    Type.Intersect([Type.Object({ kty: Type.String() }), Type.Record(Type.String(), Type.Unknown())]),
    {
      maxItems: MAX_KEYS,
    },
  ),
});

export type OidcMetadata = Static<typeof Metadata>;

interface Kept<T> {
  readonly value: T;
  readonly at: number;
}

interface OidcDiscoveryOptions {
  readonly provider: string;
  readonly issuer: string;
  readonly answerMs: number | undefined;
  readonly clock: Clock;
}

/** What a provider publishes about itself, asked for when it is needed and kept for an hour. */
export class OidcDiscovery {
  readonly #options: OidcDiscoveryOptions;
  #metadata: Kept<OidcMetadata> | undefined;
  #keys: Kept<JSONWebKeySet> | undefined;

  constructor(options: OidcDiscoveryOptions) {
    this.#options = options;
  }

  /** @throws WrennError `provider_failed`, also when it speaks for another issuer or names an endpoint without TLS. */
  async metadata(signal: AbortSignal): Promise<OidcMetadata> {
    const { provider, issuer, answerMs } = this.#options;
    if (this.#metadata && this.#age(this.#metadata) < KEEP_MS) return this.#metadata.value;
    const value = await requestJson(
      {
        provider,
        answerMs,
        // The path is appended, not resolved: an issuer may have one (§4.1).
        url: `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
      },
      Metadata,
      signal,
    );
    if (value.issuer !== issuer) throw this.#failed("its configuration is that of another issuer");
    const endpoints = [value.authorization_endpoint, value.token_endpoint, value.jwks_uri];
    if (value.userinfo_endpoint !== undefined) endpoints.push(value.userinfo_endpoint);
    for (const endpoint of endpoints) {
      const url = URL.parse(endpoint);
      const same = url?.protocol === new URL(issuer).protocol;
      if (!url || !(same || url.protocol === "https:"))
        throw this.#failed("its configuration names an endpoint without TLS");
    }
    this.#metadata = { value, at: this.#options.clock.monotonic() };
    return value;
  }

  /** `again` when a key was not among them. @throws WrennError `provider_failed`. */
  async keys(again: boolean, signal: AbortSignal): Promise<JSONWebKeySet> {
    if (this.#keys && this.#age(this.#keys) < (again ? KEYS_AGAIN_MS : KEEP_MS)) return this.#keys.value;
    const { provider, answerMs } = this.#options;
    const { jwks_uri: url } = await this.metadata(signal);
    const value = await requestJson({ provider, answerMs, url }, Keys, signal);
    this.#keys = { value, at: this.#options.clock.monotonic() };
    return value;
  }

  #age({ at }: Kept<unknown>): number {
    return this.#options.clock.monotonic() - at;
  }

  #failed(problem: string): WrennError {
    return new WrennError("provider_failed", { provider: this.#options.provider, problem });
  }
}
