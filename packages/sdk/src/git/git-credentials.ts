import { invalidOption } from "../transport/options.ts";
import type { GitCredentials } from "./git-options.ts";

/** What a run of git needs to give credentials to one server. */
export interface CredentialHelper {
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
  /** Text that no error may show. */
  readonly secret: string;
}

/** Answers git from the environment, and stores nothing (https://git-scm.com/docs/gitcredentials#_custom_helpers). */
const HELPER =
  '!f() { if test "$1" = get; then printf "username=%s\\npassword=%s\\n" "$WRENN_GIT_USERNAME" "$WRENN_GIT_PASSWORD"; fi; }; f';

/**
 * Gives credentials to the server of `url` only: other ones, such as those of submodules, get none. Helpers that the capsule has
 * configured are not used, so that none of them stores the credentials.
 *
 * @throws WrennError `invalid_option` for an address that is not http or https.
 */
export function credentialHelper(
  call: string,
  url: string,
  { username = "git", password }: GitCredentials,
): CredentialHelper {
  if (!isHttp(url)) throw invalidOption(call, "credentials", `are for http and https, not for '${url}'`);
  if (/[\n\0]/.test(username + password))
    throw invalidOption(call, "credentials", "must not have line breaks");
  const { origin } = new URL(url);
  return {
    args: ["-c", "credential.helper=", "-c", `credential.${origin}.helper=${HELPER}`],
    envs: { WRENN_GIT_USERNAME: username, WRENN_GIT_PASSWORD: password },
    secret: password,
  };
}

/** An address without the password that it may have, and this password as credentials. */
export function withoutPassword(url: string): {
  readonly url: string;
  readonly credentials?: GitCredentials;
} {
  if (!isHttp(url)) return { url };
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (password === "") return { url };
  [parsed.username, parsed.password] = ["", ""];
  return {
    url: parsed.href,
    credentials: { username: decoded(username), password: decoded(password) },
  };
}

/** As git decodes addresses: a `%` that encodes nothing stands for itself. */
function decoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped;
    }
  });
}

function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url);
}
