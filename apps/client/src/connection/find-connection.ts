import { ClientError } from "../errors/client-error.ts";
import { suggest } from "../output/suggest.ts";
import { isSameServer } from "./addresses.ts";
import { DEFAULT_PROFILE } from "./profiles.ts";
import type { Profile, Profiles, StoredLogin } from "./profiles.ts";

/** Where a command connects, with what, and where it knows that from. */
export interface ServerConnection {
  readonly url: string;
  readonly credentials: { readonly apiKey: string } | { readonly login: StoredLogin };
  /** For people: `WRENN_URL and WRENN_API_KEY`, `profile work`, `the server of this machine`. */
  readonly source: string;
  /** Profile whose file entry is renewed, and which remembers the last capsule. */
  readonly profile: string | undefined;
  /** The server of this machine, found without a profile: its last capsule is remembered beside the profiles. */
  readonly isLocal?: true;
}

/** A server of this machine, which the command line of the server's repository can find. */
export interface LocalServer {
  readonly url: string;
  readonly apiKey: string;
}

export interface ConnectionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--profile`. */
  readonly named?: string | undefined;
  readonly stored: Profiles;
  readonly findLocal: () => Promise<LocalServer | undefined>;
}

/**
 * The connection of a command. `WRENN_URL` and `WRENN_API_KEY` win over everything stored. One of them alone is completed by a
 * stored profile or the server of this machine, but never so that stored credentials go to another address than their own.
 *
 * @throws ClientError `no_server` when nothing is known at all; `not_logged_in`, `profile_unknown`, `credentials_missing`.
 */
export async function findConnection(sources: ConnectionSources): Promise<ServerConnection> {
  const { env } = sources;
  const url = valueOf(env["WRENN_URL"]);
  const apiKey = valueOf(env["WRENN_API_KEY"]);
  if (url !== undefined && apiKey !== undefined)
    return { url, credentials: { apiKey }, source: "WRENN_URL and WRENN_API_KEY", profile: undefined };
  const stored = await findStored(sources, url);
  if (stored === undefined)
    throw url === undefined
      ? new ClientError(
          "credentials",
          apiKey === undefined ? "no_server" : "not_logged_in",
          apiKey === undefined
            ? "there is no server to talk to: nothing is stored, and WRENN_URL and WRENN_API_KEY are not set"
            : "WRENN_API_KEY is set, but the address of its server is not known",
          apiKey === undefined
            ? "Run `wrenn login --url URL`, or set WRENN_URL and WRENN_API_KEY."
            : "Set WRENN_URL to the address of the server.",
        )
      : new ClientError(
          "credentials",
          "credentials_missing",
          `WRENN_URL is ${url}, and there are no credentials for this server`,
          `Set WRENN_API_KEY, or run \`wrenn login --url ${url}\`.`,
        );
  if (apiKey === undefined) return stored;
  return {
    url: stored.url,
    credentials: { apiKey },
    source: `WRENN_API_KEY, with the address of ${stored.source}`,
    profile: stored.profile,
  };
}

/** @param url - only what belongs to this server. */
async function findStored(
  { env, named, stored, findLocal }: ConnectionSources,
  url: string | undefined,
): Promise<ServerConnection | undefined> {
  const isHere = (other: string): boolean => url === undefined || isSameServer(url, other);
  const chosen = named ?? valueOf(env["WRENN_PROFILE"]);
  if (chosen !== undefined) {
    const profile = stored.profiles[chosen];
    if (!profile) throw unknownProfile(chosen, stored);
    return isHere(profile.url) ? connectionOf(chosen, profile) : undefined;
  }
  const current = stored.current ?? DEFAULT_PROFILE;
  const order = [
    current,
    ...Object.keys(stored.profiles).filter((name) => url !== undefined && name !== current),
  ];
  for (const name of order) {
    const profile = stored.profiles[name];
    if (profile && isHere(profile.url)) return connectionOf(name, profile);
  }
  const local = await findLocal();
  if (!local || !isHere(local.url)) return undefined;
  const { apiKey } = local;
  return {
    url: local.url,
    credentials: { apiKey },
    source: "the server of this machine",
    profile: undefined,
    isLocal: true,
  };
}

function connectionOf(name: string, { url, apiKey, login }: Profile): ServerConnection {
  const source = `profile ${name}`;
  if (apiKey !== undefined) return { url, credentials: { apiKey }, source, profile: name };
  if (login) return { url, credentials: { login }, source, profile: name };
  throw new ClientError(
    "credentials",
    "not_logged_in",
    `profile ${name} is logged out`,
    `Run \`wrenn login --profile ${name}\`.`,
  );
}

function unknownProfile(name: string, { profiles }: Profiles): ClientError {
  const known = Object.keys(profiles);
  const near = suggest(name, known);
  return new ClientError(
    "usage",
    "profile_unknown",
    `there is no profile '${name}'`,
    near === undefined
      ? `Profiles: ${known.join(", ") || "none; run `wrenn login`"}.`
      : `Did you mean '${near}'?`,
  );
}

/** An empty variable is as one that is not set. */
function valueOf(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
