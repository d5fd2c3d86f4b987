import { createLocalJWKSet, errors, jwtVerify } from "jose";
import type { JSONWebKeySet } from "jose";
import { Type } from "typebox";
import type { Static } from "typebox";
import { Value } from "typebox/value";

/** Signatures only whose key the provider alone has: neither "none" nor those with a shared secret. */
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
/** By how much clocks may differ. */
const TOLERANCE_S = 60;
const MAX_CHARS = 64 * 1024;

/** Claims about a person (OpenID Connect Core 1.0 §5.1); some providers write booleans as text. */
export const PersonClaims = Type.Object({
  // ASCII, says §2.
  sub: Type.String({ minLength: 1, maxLength: 255, pattern: "^[\\x20-\\x7e]+$" }),
  name: Type.Optional(Type.Unknown()),
  preferred_username: Type.Optional(Type.Unknown()),
  email: Type.Optional(Type.Unknown()),
  email_verified: Type.Optional(Type.Unknown()),
  /** Entra ID's word for it: the domain of the address belongs to the tenant. */
  xms_edov: Type.Optional(Type.Unknown()),
});

export type PersonClaims = Static<typeof PersonClaims>;

export interface IdTokenRules {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  keys(again: boolean): Promise<JSONWebKeySet>;
}

/**
 * Claims of an ID token that the issuer made for us, now, and for this attempt (OpenID Connect Core 1.0 §3.1.3.7).
 *
 * @throws Error of jose, or one that says what is wrong; what `keys` throws.
 */
export async function verifyIdToken(token: string, rules: IdTokenRules): Promise<PersonClaims> {
  if (token.length > MAX_CHARS) throw new Error("the ID token is too long");
  const verify = async (keys: JSONWebKeySet) =>
    await jwtVerify(token, createLocalJWKSet(keys), {
      algorithms: ALGORITHMS,
      issuer: rules.issuer,
      audience: rules.clientId,
      requiredClaims: ["sub", "exp", "iat", "nonce"],
      clockTolerance: TOLERANCE_S,
      currentDate: new Date(rules.now),
    });
  const { payload } = await verify(await rules.keys(false)).catch(async (error: unknown) => {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    return await verify(await rules.keys(true));
  });
  const { aud, azp } = payload as { readonly aud?: unknown; readonly azp?: unknown };
  if (Array.isArray(aud) && aud.length > 1 && azp === undefined)
    throw new Error("the ID token is for several clients and does not say which");
  if (azp !== undefined && azp !== rules.clientId) throw new Error("the ID token is for another client");
  if (payload["nonce"] !== rules.nonce) throw new Error("the ID token is of another attempt");
  if (!Value.Check(PersonClaims, payload)) throw new Error("the subject of the ID token is none");
  return payload;
}
