import type { Clock } from "@wrenn/core";
import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { requestJson } from "./provider-request.ts";

/** Providers change endpoints and keys without notice. */
export const KEEP_MS = 3_600_000;

/** OpenID Connect Discovery 1.0 §3, as far as it is used. */
const Metadata = Type.Object({
  issuer: Type.String(),
  authorization_endpoint: Type.String(),
  token_endpoint: Type.String(),
  jwks_uri: Type.String(),
  userinfo_endpoint: Type.Optional(Type.String()),
  token_endpoint_auth_methods_supported: Type.Optional(Type.Array(Type.String())),
});

export type OidcMetadata = Static<typeof Metadata>;

export interface OidcDiscoveryOptions {
  /** For errors. */
  readonly provider: string;
  /** As the provider writes it, to the last slash. */
  readonly issuer: string;
  readonly answerMs?: number | undefined;
  readonly clock: Clock;
}

/**
 * A provider's published configuration, fetched when it is needed and kept for an hour. Not by the `discovery` of
 * `openid-client`: that also accepts other spellings of the issuer, and a placeholder in that of Entra ID.
 */
export class OidcDiscovery {
  readonly #options: OidcDiscoveryOptions;
  /** `at` by the monotonic clock. */
  #kept: { readonly value: OidcMetadata; readonly at: number } | undefined;

  constructor(options: OidcDiscoveryOptions) {
    this.#options = options;
  }

  /** @throws WrennError `provider_failed`, also when it is that of another issuer or names an endpoint without TLS. */
  async metadata(signal: AbortSignal): Promise<OidcMetadata> {
    const { provider, issuer, answerMs, clock } = this.#options;
    if (this.#kept && clock.monotonic() - this.#kept.at < KEEP_MS) return this.#kept.value;
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
    this.#kept = { value, at: clock.monotonic() };
    return value;
  }

  #failed(problem: string): WrennError {
    return new WrennError("provider_failed", { provider: this.#options.provider, problem });
  }
}
