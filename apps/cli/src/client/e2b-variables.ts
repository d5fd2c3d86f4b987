import type { ServerRecord } from "@wrenn/system";

/**
 * The variables of clients of E2B, as lines for a shell. A server that is reached over TLS below a domain gets that domain; other servers
 * their URL, where clients find sandboxes by header. Variables of the other form are unset, since clients prefer URLs.
 *
 * @param keyFile - is read when the lines are evaluated, so that the key is not shown.
 */
export function e2bVariables(
  { url, secureDomain }: Pick<ServerRecord, "url" | "secureDomain">,
  keyFile: string,
): string {
  const authority = secureDomain?.authorityFile;
  const lines = [
    `export E2B_API_KEY="$(cat ${quoted(keyFile)})"`,
    ...(secureDomain
      ? ["unset E2B_API_URL E2B_SANDBOX_URL", `export E2B_DOMAIN=${quoted(secureDomain.domain)}`]
      : ["unset E2B_DOMAIN", `export E2B_API_URL=${quoted(url)}`, `export E2B_SANDBOX_URL=${quoted(url)}`]),
    ...(authority === undefined
      ? []
      : [`export NODE_EXTRA_CA_CERTS=${quoted(authority)}`, `export SSL_CERT_FILE=${quoted(authority)}`]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** For a shell of POSIX. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
