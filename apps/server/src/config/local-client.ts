import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";

/** What the command line of this machine needs to call its server. */
export interface LocalClient {
  readonly apiKey: string;
}

/** @returns undefined where no server has written one yet. */
export async function readLocalClient(path: string): Promise<LocalClient | undefined> {
  const text = await readFileIfPresent(path);
  return text === undefined ? undefined : (JSON.parse(text) as LocalClient);
}

export async function writeLocalClient(path: string, client: LocalClient): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(client)}\n`);
}
