import { WrennError } from "@wrenn/core";
import { dataPaths, readConfig, readLocalClient } from "@wrenn/server";
import { findServer } from "@wrenn/system";

/** Where the API is and what opens it. */
export interface Endpoint {
  readonly url: string;
  readonly apiKey: string;
}

/**
 * The server this command should talk to: `WRENN_URL` with `WRENN_API_KEY`, else the one that runs on this machine.
 *
 * @returns undefined when neither is there.
 */
export async function findEndpoint(
  env: Readonly<Record<string, string | undefined>>,
): Promise<Endpoint | undefined> {
  const url = env["WRENN_URL"];
  const apiKey = env["WRENN_API_KEY"];
  if (url !== undefined && apiKey !== undefined) return { url, apiKey };
  const paths = dataPaths(readConfig(env).dataDirectory);
  const server = await findServer(paths.serverRecord);
  if (!server) return undefined;
  const key = apiKey ?? (await readLocalClient(paths.localClient))?.apiKey;
  if (key === undefined)
    throw new WrennError("dependency_missing", {
      what: `${paths.localClient}, which holds the first API key`,
    });
  return { url: server.url, apiKey: key };
}
