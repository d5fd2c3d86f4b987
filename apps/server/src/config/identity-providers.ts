import { githubProvider, oidcProvider } from "@wrenn/control-plane";
import type { IdentityProvider } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

/** How this server is known to services whose accounts people may log in by. */
export interface SignInConfig {
  readonly github?: ClientCredentials;
  readonly oidc?: ClientCredentials & { readonly issuer: string };
}

interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws WrennError `invalid_field` when a part is missing, or an issuer is not reached over TLS. */
export function readSignIn(env: Environment): SignInConfig {
  const github = together(env, ["WRENN_GITHUB_CLIENT_ID", "WRENN_GITHUB_CLIENT_SECRET"]);
  const oidc = together(env, ["WRENN_OIDC_ISSUER", "WRENN_OIDC_CLIENT_ID", "WRENN_OIDC_CLIENT_SECRET"]);
  return {
    ...(github ? { github: { clientId: github[0], clientSecret: github[1] } } : {}),
    ...(oidc ? { oidc: { issuer: issuerOf(oidc[0]), clientId: oidc[1], clientSecret: oidc[2] ?? "" } } : {}),
  };
}

export function identityProviders({ github, oidc }: SignInConfig, clock: Clock): readonly IdentityProvider[] {
  return [...(github ? [githubProvider(github)] : []), ...(oidc ? [oidcProvider({ ...oidc, clock })] : [])];
}

/** All of the variables or none; an empty one is none. */
function together(
  env: Environment,
  names: readonly [string, string, ...string[]],
): readonly [string, string, ...string[]] | undefined {
  const [first = "", second = "", ...others] = names.map((name) => env[name]?.trim() ?? "");
  const values = [first, second, ...others] as const;
  const missing = names.filter((_, index) => values[index] === "");
  if (missing.length === names.length) return undefined;
  if (missing.length > 0)
    throw new WrennError("invalid_field", { field: missing.join(" and "), problem: "must be set as well" });
  return values;
}

/** Identities over plain HTTP are anybody's; on this machine there is nobody in between. */
function issuerOf(text: string): string {
  const url = URL.parse(text);
  const isHere = url?.protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (!url || !(url.protocol === "https:" || isHere) || url.search !== "" || url.hash !== "")
    throw new WrennError("invalid_field", {
      field: "WRENN_OIDC_ISSUER",
      problem: "must be an https URL without query, as the provider writes it",
    });
  return text;
}
