import type { Context } from "../context.ts";
import { DEFAULT_PROFILE } from "../connection/profiles.ts";
import type { Profile, Profiles } from "../connection/profiles.ts";
import { ClientError } from "../errors/client-error.ts";
import { suggest } from "../output/suggest.ts";
import { renderTable } from "../output/table.ts";
import { detachKeys } from "../terminal/detach-keys.ts";
import { logout } from "./logout.ts";

/** A profile as this program prints it: credentials are never shown. */
export interface ProfileDocument {
  readonly name: string;
  readonly url: string;
  readonly credentials: "API key" | "login" | null;
  readonly isCurrent: boolean;
  /** Keys that leave a terminal, or `none`; null: not set. */
  readonly detachKeys: string | null;
}

/** Lists the stored profiles; `*` marks the one that is used when none is named. */
export async function list(context: Context): Promise<void> {
  const { current = DEFAULT_PROFILE, profiles } = await context.profiles.read();
  const found = Object.entries(profiles).map(
    ([name, { url, apiKey, login, detachKeys: keys }]): ProfileDocument => ({
      name,
      url,
      credentials: apiKey === undefined ? (login ? "login" : null) : "API key",
      isCurrent: name === current,
      detachKeys: keys ?? null,
    }),
  );
  context.output.data(found, () =>
    renderTable<ProfileDocument>(
      [
        { title: "", value: ({ isCurrent }) => (isCurrent ? "*" : "") },
        { title: "name", value: ({ name }) => name },
        { title: "server", value: ({ url }) => url },
        { title: "credentials", value: ({ credentials }) => credentials ?? "none" },
        { title: "detach keys", value: (profile) => profile.detachKeys ?? "" },
      ],
      found,
    ),
  );
}

/** Makes a profile the one that is used when none is named. */
export async function use(context: Context, name: string): Promise<void> {
  const { profiles } = await context.profiles.update((state) => {
    requireProfile(name, state);
    return { ...state, current: name };
  });
  context.output.note(`Commands talk to ${profiles[name]?.url} (profile ${name}).`);
}

/** Names of settings as `config set` takes them, and how each is stored. */
const SETTINGS = { detach_keys: "detachKeys" } as const satisfies Readonly<Record<string, keyof Profile>>;

/**
 * Changes a setting of a profile.
 *
 * @param value - undefined: the default again.
 * @throws ClientError `setting_unknown`, `profile_unknown`, `detach_keys_invalid`.
 */
export async function set(context: Context, setting: string, value: string | undefined): Promise<void> {
  if (!isSetting(setting))
    throw new ClientError(
      "usage",
      "setting_unknown",
      `there is no setting '${setting}'`,
      `Settings: ${Object.keys(SETTINGS).join(", ")}.`,
    );
  if (value !== undefined) detachKeys(value);
  const name = await context.profileName();
  await context.profiles.update((state) => {
    const profile = requireProfile(name, state);
    const { [SETTINGS[setting]]: _, ...rest } = profile;
    const changed = value === undefined ? rest : { ...rest, [SETTINGS[setting]]: value };
    return { ...state, profiles: { ...state.profiles, [name]: changed } };
  });
  context.output.note(`Profile ${name}: ${setting} is ${value ?? "the default"}.`);
}

function isSetting(name: string): name is keyof typeof SETTINGS {
  return Object.hasOwn(SETTINGS, name);
}

/** Forgets profiles; their logins end. */
export async function remove(context: Context, names: readonly string[]): Promise<void> {
  const stored = await context.profiles.read();
  for (const name of names) requireProfile(name, stored);
  for (const name of names) await logout(context, name);
}

function requireProfile(name: string, { profiles }: Profiles): Profile {
  const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (profile) return profile;
  const near = suggest(name, Object.keys(profiles));
  throw new ClientError(
    "notFound",
    "profile_unknown",
    `there is no profile '${name}'`,
    near === undefined ? "`wrenn config ls` lists them." : `Did you mean '${near}'?`,
  );
}
