import type { ConnectionOptions } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";
import type { ServerConnection } from "./find-connection.ts";
import { renewLogin } from "./log-in.ts";
import type { Profiles, StoredLogin } from "./profiles.ts";
import type { StateFile } from "./state-file.ts";

/** An access token is renewed when it would end this soon, in milliseconds. */
const EARLY_MS = 60_000;

/** Options of the SDK's client for a connection; the access token of a login is renewed when its time is up. */
export function connectionClient(
  connection: ServerConnection,
  profiles: StateFile<Profiles>,
): ConnectionOptions {
  const { url, credentials } = connection;
  if ("apiKey" in credentials) return { url, apiKey: credentials.apiKey };
  let renewal: Promise<StoredLogin> | undefined;
  let login = credentials.login;
  return {
    url,
    accessToken: async () => {
      if (login.expiresAt - Date.now() < EARLY_MS) {
        renewal ??= renewStored(connection, profiles).finally(() => (renewal = undefined));
        login = await renewal;
      }
      return login.accessToken;
    },
  };
}

/** A refresh token works once: of several commands one renews, under the lock of the file, and the others take what it stored. */
async function renewStored(
  { url, profile = "", source }: ServerConnection,
  profiles: StateFile<Profiles>,
): Promise<StoredLogin> {
  const state = await profiles.update(async (stored) => {
    const entry = stored.profiles[profile];
    const login = entry?.login;
    if (!entry || !login)
      throw new ClientError("credentials", "not_logged_in", `${source} is logged out`, "Run `wrenn login`.");
    if (login.expiresAt - Date.now() >= EARLY_MS) return stored;
    const renewed = await renewLogin(url, login);
    return { ...stored, profiles: { ...stored.profiles, [profile]: { ...entry, login: renewed } } };
  });
  const login = state.profiles[profile]?.login;
  if (!login)
    throw new ClientError("credentials", "not_logged_in", `${source} is logged out`, "Run `wrenn login`.");
  return login;
}
