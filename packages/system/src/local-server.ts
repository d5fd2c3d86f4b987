import { join, resolve } from "node:path";
import { writeFileAtomic } from "./atomic-file.ts";
import { readFileIfPresent } from "./files.ts";

/** What the command line of this machine needs to call its server. */
export interface LocalClient {
  readonly apiKey: string;
}

/** The data directory that the environment names, or the default; absolute. */
export function dataDirectoryOf(env: Readonly<Record<string, string | undefined>>): string {
  return resolve(env["WRENN_DATA_DIR"] ?? "/var/lib/wrenn");
}

/** Files by which commands of this machine find its server; the command line reads them without loading the server. */
export function localServerFiles(dataDirectory: string) {
  return {
    /** Process and URL of the running server. */
    serverRecord: join(dataDirectory, "server.json"),
    /** Key for the command line of the user who started the server. */
    localClient: join(dataDirectory, "local-client.json"),
    /** Key of the platform's team, with which the operator builds templates for every team. */
    platformKey: join(dataDirectory, "platform-key"),
    /** Key of the first team in the form that clients of E2B take; there when the server was started for them. */
    e2bKey: join(dataDirectory, "e2b-key"),
    /** Creates the first administrator; removed once there is one. */
    firstAdminToken: join(dataDirectory, "first-admin-token"),
  } as const;
}

/** @returns undefined where no server has written one yet. */
export async function readLocalClient(path: string): Promise<LocalClient | undefined> {
  const text = await readFileIfPresent(path);
  return text === undefined ? undefined : (JSON.parse(text) as LocalClient);
}

/** Stores the key for the command line of this machine. */
export async function writeLocalClient(path: string, client: LocalClient): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(client)}\n`);
}
