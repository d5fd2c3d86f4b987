import type { Clock } from "@wrenn/core";
import type { ClientOptions, IdentityProvider } from "./identity-provider.ts";
import type { OidcClient, PersonClaims } from "./oidc-client.ts";
import { emailOf, nameOf } from "./profile-fields.ts";

const NAME = "oidc";

export interface OidcOptions extends ClientOptions {
  /** As the provider writes it, to the last slash. */
  readonly issuer: string;
  readonly clock: Clock;
}

/** Any provider of OpenID Connect (Core 1.0, code flow) that publishes its configuration. */
export function oidcProvider(options: OidcOptions): IdentityProvider {
  const { issuer } = options;
  let client: Promise<OidcClient> | undefined;
  /** Loaded at the first sign-in: its library is large. */
  const opened = async (): Promise<OidcClient> => {
    client ??= import("./oidc-client.ts").then(
      (module) => new module.OidcClient({ ...options, provider: NAME }),
    );
    return await client;
  };

  /** Many providers name addresses at their userinfo endpoint only. */
  async function withUserinfo(
    claims: PersonClaims,
    accessToken: string,
    signal: AbortSignal,
  ): Promise<PersonClaims> {
    if (claims.email !== undefined && hasVerification(claims)) return claims;
    const userinfo = await (await opened()).userinfo(accessToken, claims.sub, signal);
    if (userinfo?.email === undefined) return claims;
    // A verification belongs to the address next to it: the two are never taken from different answers.
    const { email_verified, xms_edov } = userinfo;
    return { ...claims, ...userinfo, email_verified, xms_edov };
  }

  return {
    name: NAME,
    title: new URL(issuer).host,
    issuer,
    authorizationUrl: async (attempt, signal) => await (await opened()).authorizationUrl(attempt, signal),
    profile: async (code, attempt, signal) => {
      const { claims: idTokenClaims, accessToken } = await (await opened()).exchange(code, attempt, signal);
      const claims = await withUserinfo(idTokenClaims, accessToken, signal);
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

function hasVerification({ email_verified: verified, xms_edov: owned }: PersonClaims): boolean {
  return verified !== undefined || owned !== undefined;
}

/** Whether the provider vouches for the address; some write it as text or as a number. */
function isVerified({ email_verified: verified, xms_edov: owned }: PersonClaims): boolean {
  return [true, "true", 1, "1"].some((yes) => (verified ?? owned) === yes);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
