import type { Context } from "../context.ts";
import { endLogin } from "../connection/log-in.ts";
import { DEFAULT_PROFILE } from "../connection/profiles.ts";
import { ClientError } from "../errors/client-error.ts";

/** Ends the login of a profile and removes the profile. An API key stays valid: others may use it. */
export async function logout(context: Context, named: string | undefined): Promise<void> {
  const stored = await context.profiles.read();
  const name = named ?? context.terminal.env["WRENN_PROFILE"] ?? stored.current ?? DEFAULT_PROFILE;
  const profile = stored.profiles[name];
  if (!profile)
    throw new ClientError(
      "notFound",
      "profile_unknown",
      `there is no profile '${name}'`,
      "`wrenn whoami` shows the one in use.",
    );
  let problem: string | undefined;
  if (profile.login)
    await endLogin(profile.url, profile.login, context.signal).catch((error: unknown) => {
      problem = error instanceof Error ? error.message : String(error);
    });
  await context.profiles.update((state) => {
    const { [name]: _, ...profiles } = state.profiles;
    const { current } = state;
    return { profiles, ...(current === undefined || current === name ? {} : { current }) };
  });
  context.output.note(`Logged out of ${profile.url}.`);
  if (problem !== undefined)
    context.output.note(`The login on the server was not ended (${problem}): it expires by itself.`);
}
