import { join } from "node:path";
import { StateFile } from "./state-file.ts";

/** A login by device code: the access token is renewed by the refresh token, which works once. */
export interface StoredLogin {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A server, and what opens it. */
export interface Profile {
  readonly url: string;
  readonly apiKey?: string;
  readonly login?: StoredLogin;
  /** Id of the capsule that a command of this profile used last. */
  readonly lastCapsule?: string;
  /** Keys that leave a terminal, or `none`, as `wrenn config set detach_keys` stores them. */
  readonly detachKeys?: string;
}

export interface Profiles {
  /** Name of the profile that is used when none is named. */
  readonly current?: string;
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Id of the capsule that a command used last with the server of this machine, which needs no profile. */
  readonly lastLocalCapsule?: string;
}

/** Names of profiles: letters, digits, dots, underscores and hyphens. */
export const PROFILE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;
export const DEFAULT_PROFILE = "default";

/**
 * The file with the profiles of this user.
 *
 * @param env - XDG_CONFIG_HOME or HOME say where; APPDATA on Windows.
 */
export function profileFile(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
  home: string,
): StateFile<Profiles> {
  const base =
    platform === "win32"
      ? (env["APPDATA"] ?? join(home, "AppData", "Roaming"))
      : (env["XDG_CONFIG_HOME"] ?? join(home, ".config"));
  return new StateFile(join(base, "wrenn", "profiles.json"), parseProfiles, platform !== "win32");
}

function parseProfiles(value: unknown): Profiles {
  if (value === undefined) return { profiles: {} };
  const { current, profiles, lastLocalCapsule } = value as Partial<Profiles>;
  if (typeof profiles !== "object" || profiles === null) throw new Error("it has no profiles");
  for (const [name, profile] of Object.entries(profiles))
    if (typeof (profile as Partial<Profile> | null)?.url !== "string")
      throw new Error(`profile ${name} has no url`);
  return {
    profiles,
    ...(typeof current === "string" ? { current } : {}),
    ...(typeof lastLocalCapsule === "string" ? { lastLocalCapsule } : {}),
  };
}
