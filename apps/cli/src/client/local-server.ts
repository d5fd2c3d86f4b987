import { WrennError } from "@wrenn/core";
import { dataDirectoryOf, findServer, localServerFiles, readLocalClient } from "@wrenn/system";

/** Where the API is and what opens it. */
export interface Endpoint {
  readonly url: string;
  readonly apiKey: string;
}

/**
 * The server that runs on this machine, with the first key of its data directory. Loads no server code: every short command asks.
 *
 * @throws WrennError `dependency_missing` when the key is not there.
 */
export async function findLocalServer(
  env: Readonly<Record<string, string | undefined>>,
): Promise<Endpoint | undefined> {
  const paths = localServerFiles(dataDirectoryOf(env));
  const server = await findServer(paths.serverRecord);
  if (!server) return undefined;
  const key = env["WRENN_API_KEY"] ?? (await readLocalClient(paths.localClient))?.apiKey;
  if (key === undefined)
    throw new WrennError("dependency_missing", {
      what: `${paths.localClient}, which holds the first API key`,
    });
  return { url: server.url, apiKey: key };
}
