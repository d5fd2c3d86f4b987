import { defined, problemOf, WrennError } from "@wrenn/core";
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientError,
  ClientSecretPost,
  clockSkew,
  clockTolerance,
  Configuration,
  customFetch,
  enableNonRepudiationChecks,
  fetchUserInfo,
  setJwksCache,
} from "openid-client";
import type { ClientAuth, CustomFetchOptions } from "openid-client";
import { Type } from "typebox";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import type { ClientOptions, SignInAttempt } from "./identity-provider.ts";
import { KEEP_MS, OidcDiscovery } from "./oidc-discovery.ts";
import type { OidcDiscoveryOptions, OidcMetadata } from "./oidc-discovery.ts";
import { requestJson } from "./provider-request.ts";

/** How soon an unknown key makes the keys be fetched again: made-up key ids must not become load for the provider. */
const KEYS_AGAIN_MS = 30_000;
/** After how many seconds `openid-client` itself fetches the keys again for an unknown one. */
const LIBRARY_KEYS_AGAIN_S = 60;
const MAX_KEYS = 100;
/** By how much clocks may differ. */
const TOLERANCE_S = 60;
const MAX_ID_TOKEN_CHARS = 64 * 1024;
/** Signatures whose key only the provider has: neither "none" nor those with a shared secret. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

const Tokens = Type.Object({
  id_token: Type.String({ maxLength: MAX_ID_TOKEN_CHARS }),
  // It becomes part of a header.
  access_token: Type.String({ minLength: 1, maxLength: 16_384, pattern: "^[\\x21-\\x7e]+$" }),
  token_type: Type.String(),
});
const Keys = Type.Object({
  keys: Type.Array(Type.Object({ kty: Type.String() }, { additionalProperties: true }), {
    maxItems: MAX_KEYS,
  }),
});
/** Claims about a person (OpenID Connect Core 1.0 §5.1); some providers write booleans as text. */
const PersonClaims = Type.Object({
  // ASCII, says §2.
  sub: Type.String({ minLength: 1, maxLength: 255, pattern: "^[\\x20-\\x7e]+$" }),
  name: Type.Optional(Type.Unknown()),
  preferred_username: Type.Optional(Type.Unknown()),
  email: Type.Optional(Type.Unknown()),
  email_verified: Type.Optional(Type.Unknown()),
  /** Entra ID's claim for it: the domain of the address belongs to the tenant. */
  xms_edov: Type.Optional(Type.Unknown()),
});

export type PersonClaims = Static<typeof PersonClaims>;

export interface OidcClientOptions extends ClientOptions, OidcDiscoveryOptions {}

/**
 * A client of one OpenID Connect provider (Core 1.0, code flow), by `openid-client` (decision 22). Every method throws
 * WrennError `provider_failed`, which carries no secret.
 */
export class OidcClient {
  readonly #options: OidcClientOptions;
  readonly #discovery: OidcDiscovery;
  /** `at` by the monotonic clock. */
  #keys: { readonly value: Static<typeof Keys>; readonly at: number } | undefined;

  constructor(options: OidcClientOptions) {
    this.#options = options;
    this.#discovery = new OidcDiscovery(options);
  }

  /** The address of the provider's page that asks for consent. */
  async authorizationUrl(attempt: SignInAttempt, signal: AbortSignal): Promise<URL> {
    return buildAuthorizationUrl(await this.#configure(signal), {
      redirect_uri: attempt.redirectUri,
      scope: "openid email profile",
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: "S256",
    });
  }

  /** The claims of an ID token that the provider issued to this client, for this attempt, and that is valid now. */
  async exchange(
    code: string,
    { nonce, verifier, redirectUri }: SignInAttempt,
    signal: AbortSignal,
  ): Promise<{ readonly claims: PersonClaims; readonly accessToken: string }> {
    const { clientId, clock } = this.#options;
    const config = await this.#configure(signal);
    config[customFetch] = async (url, options) => {
      if (options.method === "POST") {
        const form = new URLSearchParams(options.body instanceof URLSearchParams ? options.body : "");
        // The library normalises the address, but providers compare it with that of the authorization request as text.
        form.set("redirect_uri", redirectUri);
        return Response.json(await this.#request(url, options, Tokens, signal, form));
      }
      const value = await this.#request(url, options, Keys, signal);
      this.#keys = { value, at: clock.monotonic() };
      return Response.json(value);
    };
    // Without these checks the library does not verify the signature: it relies on TLS.
    enableNonRepudiationChecks(config);
    this.#lendKeys(config);
    const callback = new URL(redirectUri);
    callback.searchParams.set("code", code);
    const tokens = await authorizationCodeGrant(config, callback, {
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
    }).catch((error: unknown) => {
      throw this.#failureOf(error);
    });
    const claims = tokens.claims();
    if (!Value.Check(PersonClaims, claims)) throw this.#failed("the ID token has no valid subject");
    // The library looks at it only in tokens for several clients.
    if (claims["azp"] !== undefined && claims["azp"] !== clientId)
      throw this.#failed("the ID token is for another client");
    return { claims, accessToken: tokens.access_token };
  }

  /** The claims about `subject` at the userinfo endpoint; undefined without such an endpoint. */
  async userinfo(
    accessToken: string,
    subject: string,
    signal: AbortSignal,
  ): Promise<PersonClaims | undefined> {
    const config = await this.#configure(signal);
    if (config.serverMetadata().userinfo_endpoint === undefined) return undefined;
    config[customFetch] = async (url, options) =>
      Response.json(await this.#request(url, options, PersonClaims, signal));
    return await fetchUserInfo(config, accessToken, subject).catch((error: unknown) => {
      throw this.#failureOf(error);
    });
  }

  /** For one operation each: the library takes the clock and, by way of its requests, the signal only from there. */
  async #configure(signal: AbortSignal): Promise<Configuration> {
    const { clientId, clock, issuer } = this.#options;
    const metadata = await this.#discovery.metadata(signal);
    const config = new Configuration(
      { ...metadata, id_token_signing_alg_values_supported: ALGORITHMS },
      clientId,
      { [clockSkew]: (clock.now() - Date.now()) / 1000, [clockTolerance]: TOLERANCE_S },
      authentication(metadata, this.#options),
    );
    if (new URL(issuer).protocol === "http:") allowInsecureRequests(config);
    return config;
  }

  /**
   * The library measures the age of keys by the system clock, keeps them for 300 s, and fetches them again for an unknown key
   * after 60 s. The age that it is given here makes it follow our clock and limits.
   */
  #lendKeys(config: Configuration): void {
    if (!this.#keys) return;
    const age = this.#options.clock.monotonic() - this.#keys.at;
    if (age >= KEEP_MS) return;
    const libraryAge = age < KEYS_AGAIN_MS ? 0 : LIBRARY_KEYS_AGAIN_S;
    setJwksCache(config, { jwks: this.#keys.value, uat: Math.floor(Date.now() / 1000) - libraryAge });
  }

  /** A request of the library within our own limits, not its time limit. Of its headers only the credentials are sent. */
  async #request<S extends TSchema>(
    url: string,
    { headers: { authorization } }: CustomFetchOptions,
    shape: S,
    signal: AbortSignal,
    form?: URLSearchParams,
  ): Promise<Static<S>> {
    const { provider, answerMs } = this.#options;
    return await requestJson(
      {
        provider,
        answerMs,
        url,
        ...(authorization === undefined ? {} : { headers: { authorization } }),
        ...defined({ form }),
      },
      shape,
      signal,
    );
  }

  /** Without the library's error as the cause: it holds tokens and claims. */
  #failureOf(error: unknown): WrennError {
    const reason = error instanceof ClientError ? (error.cause ?? error) : error;
    return WrennError.is(reason, "provider_failed") ? reason : this.#failed(problemOf(reason));
  }

  #failed(problem: string): WrennError {
    return new WrennError("provider_failed", { provider: this.#options.provider, problem });
  }
}

/** By header unless the provider takes the secret in the form only (RFC 6749 §2.3.1, Discovery 1.0 §3). */
function authentication(
  { token_endpoint_auth_methods_supported: methods = ["client_secret_basic"] }: OidcMetadata,
  { clientId, clientSecret }: ClientOptions,
): ClientAuth {
  if (!methods.includes("client_secret_basic") && methods.includes("client_secret_post"))
    return ClientSecretPost(clientSecret);
  // The library's `ClientSecretBasic` also escapes "-", ".", "_" and "*", which providers that do not decode the pair reject.
  const pair = [clientId, clientSecret].map((part) => new URLSearchParams({ v: part }).toString().slice(2));
  const credentials = Buffer.from(pair.join(":")).toString("base64");
  return (_server, _client, _form, headers) => headers.set("authorization", `Basic ${credentials}`);
}
