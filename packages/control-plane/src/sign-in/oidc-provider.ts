import { problemOf, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { Type } from "typebox";
import { codeChallenge } from "./code-challenge.ts";
import { PersonClaims, verifyIdToken } from "./id-token.ts";
import type { ClientOptions, IdentityProvider } from "./identity-provider.ts";
import { OidcDiscovery } from "./oidc-discovery.ts";
import type { OidcMetadata } from "./oidc-discovery.ts";
import { emailOf, nameOf } from "./profile-fields.ts";
import { requestJson } from "./provider-request.ts";
import type { ProviderRequest } from "./provider-request.ts";

const NAME = "oidc";

const Tokens = Type.Object({
  id_token: Type.String(),
  access_token: Type.String({ minLength: 1, maxLength: 16_384, pattern: "^[\\x21-\\x7e]+$" }),
});

export interface OidcOptions extends ClientOptions {
  /** As the provider writes it, to the last slash. */
  readonly issuer: string;
  readonly clock: Clock;
}

/** Any provider of OpenID Connect (Core 1.0, code flow) that publishes its configuration. */
export function oidcProvider(options: OidcOptions): IdentityProvider {
  const { issuer, clientId, clock, answerMs } = options;
  const published = new OidcDiscovery({ provider: NAME, issuer, answerMs, clock });

  async function claimsOf(
    idToken: string,
    accessToken: string,
    nonce: string,
    signal: AbortSignal,
  ): Promise<PersonClaims> {
    const claims = await verifyIdToken(idToken, {
      issuer,
      clientId,
      nonce,
      now: clock.now(),
      keys: async (again) => await published.keys(again, signal),
    }).catch((error: unknown) => {
      if (WrennError.is(error, "provider_failed")) throw error;
      throw new WrennError(
        "provider_failed",
        { provider: NAME, problem: problemOf(error) },
        { cause: error },
      );
    });
    const { userinfo_endpoint: url } = await published.metadata(signal);
    const isWhole = claims.email !== undefined && isSaid(claims);
    if (isWhole || url === undefined) return claims;
    // Many providers tell addresses there only.
    const headers = { authorization: `Bearer ${accessToken}` };
    const told = await requestJson({ provider: NAME, answerMs, url, headers }, PersonClaims, signal);
    if (told.sub !== claims.sub)
      throw new WrennError("provider_failed", { provider: NAME, problem: "it told about somebody else" });
    if (told.email === undefined) return claims;
    // What is said of an address is said of the one beside it: the two are never taken from different answers.
    return { ...claims, ...told, email_verified: told.email_verified, xms_edov: told.xms_edov };
  }

  return {
    name: NAME,
    title: new URL(issuer).host,
    issuer,
    authorizationUrl: async ({ state, nonce, verifier, redirectUri }, signal) => {
      const { authorization_endpoint: endpoint } = await published.metadata(signal);
      const url = new URL(endpoint);
      const wanted = {
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: "openid email profile",
        state,
        nonce,
        ...codeChallenge(verifier),
      };
      for (const [key, value] of Object.entries(wanted)) url.searchParams.set(key, value);
      return url;
    },
    profile: async (code, { nonce, verifier, redirectUri }, signal) => {
      const metadata = await published.metadata(signal);
      const form = {
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
      };
      const request = authenticated(metadata, options, form);
      const tokens = await requestJson(request, Tokens, signal);
      const claims = await claimsOf(tokens.id_token, tokens.access_token, nonce, signal);
      const { sub, name, preferred_username: nick, email } = claims;
      const address = emailOf(textOf(email));
      return {
        subject: sub,
        name: nameOf(textOf(name), textOf(nick), address?.split("@")[0]),
        verifiedEmail: isVerified(claims) ? address : undefined,
      };
    },
  };
}

/** By header unless the provider takes the secret in the form only (RFC 6749 §2.3.1, Discovery 1.0 §3). */
function authenticated(
  metadata: OidcMetadata,
  { clientId, clientSecret, answerMs }: ClientOptions,
  form: Readonly<Record<string, string>>,
): ProviderRequest {
  const request = { provider: NAME, answerMs, url: metadata.token_endpoint };
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  if (!methods.includes("client_secret_basic") && methods.includes("client_secret_post"))
    return { ...request, form: { ...form, client_id: clientId, client_secret: clientSecret } };
  const pair = [clientId, clientSecret].map((part) => new URLSearchParams({ v: part }).toString().slice(2));
  const credentials = Buffer.from(pair.join(":")).toString("base64");
  return { ...request, form, headers: { authorization: `Basic ${credentials}` } };
}

function isSaid({ email_verified: verified, xms_edov: owned }: PersonClaims): boolean {
  return verified !== undefined || owned !== undefined;
}

/** Whether the provider vouches for the address; some write it as text or as a number. */
function isVerified({ email_verified: verified, xms_edov: owned }: PersonClaims): boolean {
  return [true, "true", 1, "1"].some((yes) => (verified ?? owned) === yes);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
