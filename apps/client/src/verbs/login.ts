import { hostname } from "node:os";
import { Wrenn } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { awaitDeviceLogin, beginDeviceLogin } from "../connection/log-in.ts";
import { DEFAULT_PROFILE, PROFILE_NAME } from "../connection/profiles.ts";
import type { Profile } from "../connection/profiles.ts";
import { ClientError } from "../errors/client-error.ts";
import { openInBrowser } from "../terminal/open-in-browser.ts";
import { readSecret } from "../terminal/read-secret.ts";

export interface LoginOptions {
  readonly url?: string;
  readonly profile?: string;
  readonly key?: boolean;
  readonly web?: boolean;
}

const DEFAULT_URL = "http://localhost:8080";

/**
 * Logs in and makes the profile the current one. By default a person approves a code in a browser on any machine; with `--key` an
 * API key is read from standard input and checked.
 */
export async function login(context: Context, options: LoginOptions): Promise<void> {
  const { env, stdin, stderr } = context.terminal;
  const stored = await context.profiles.read();
  const name = options.profile ?? env["WRENN_PROFILE"] ?? stored.current ?? DEFAULT_PROFILE;
  if (!PROFILE_NAME.test(name))
    throw new ClientError(
      "usage",
      "profile_name_invalid",
      `'${name}' is not a name of a profile`,
      "Use letters, digits, dots, underscores and hyphens.",
    );
  const url = addressOf(options.url ?? env["WRENN_URL"] ?? stored.profiles[name]?.url ?? DEFAULT_URL);
  const credentials =
    options.key === true
      ? await byKey(url, await readSecret(stdin, stderr, "API key: ", context.signal), context.signal)
      : await byCode(context, url, options.web === true);
  await context.profiles.update((state) => ({
    current: name,
    profiles: { ...state.profiles, [name]: { ...settingsOf(state.profiles[name]), url, ...credentials } },
  }));
  context.output.note(`Logged in to ${url} (profile ${name}, stored in ${context.profiles.path}).`);
}

/** What a person has set, and another login keeps. */
function settingsOf({ detachKeys }: Partial<Profile> = {}): Pick<Profile, "detachKeys"> {
  return detachKeys === undefined ? {} : { detachKeys };
}

async function byKey(url: string, apiKey: string, signal: AbortSignal): Promise<Pick<Profile, "apiKey">> {
  if (apiKey === "")
    throw new ClientError(
      "usage",
      "key_missing",
      "there is no API key on standard input",
      "Pipe it in: printf '%s' \"$KEY\" | wrenn login --key",
    );
  // A key that the server refuses is not stored.
  await new Wrenn({ url, apiKey }).quota({ signal });
  return { apiKey };
}

async function byCode(context: Context, url: string, isWeb: boolean): Promise<Pick<Profile, "login">> {
  const { output, signal } = context;
  const code = await beginDeviceLogin(url, `wrenn on ${hostname()}`, signal);
  output.note(`Open ${code.verification_uri}`);
  output.note(
    `and enter the code ${code.user_code}, on any machine, within ${Math.floor(code.expires_in / 60)} minutes.`,
  );
  if (isWeb && !(await openInBrowser(code.verification_uri_complete, context.terminal.env)))
    output.note("No browser could be opened here.");
  return { login: await awaitDeviceLogin(url, code, signal) };
}

function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new ClientError(
      "usage",
      "url_invalid",
      `'${text}' is not the address of a server`,
      "Write it as http://localhost:8080 or https://wrenn.example.org.",
    );
  return url.href.replace(/\/+$/, "");
}
