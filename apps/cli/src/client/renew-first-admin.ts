import { isSameServer } from "@wrenn/client";
import { dataDirectoryOf, findServer, hasCode, localServerFiles, readFileIfPresent } from "@wrenn/system";

/**
 * Lets the server of this machine replace the token that creates the first administrator. The file with the token is the proof that this
 * user may: only the operator can read it, and only there is the fresh one.
 *
 * @param url - of the server that is meant.
 * @returns undefined where that is another server, there is an administrator, or this user may not.
 */
export async function renewFirstAdmin(
  env: Readonly<Record<string, string | undefined>>,
  url: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const paths = localServerFiles(dataDirectoryOf(env));
  const server = await findServer(paths.serverRecord);
  if (!server || !isSameServer(server.url, url)) return undefined;
  const before = await readToken(paths.firstAdminToken);
  if (before === undefined) return undefined;
  const answer = await fetch(new URL("/v1/auth/bootstrap/renew", server.url), {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "handling=strict" },
    body: JSON.stringify({ token: before }),
    signal,
  });
  await answer.arrayBuffer();
  // There may be an administrator by now.
  return answer.ok ? await readToken(paths.firstAdminToken) : undefined;
}

async function readToken(path: string): Promise<string | undefined> {
  try {
    return (await readFileIfPresent(path))?.trim();
  } catch (error) {
    if (hasCode(error, "EACCES")) return undefined;
    throw error;
  }
}
