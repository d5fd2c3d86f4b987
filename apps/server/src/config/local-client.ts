import { readFile } from "node:fs/promises";
import { writeFileAtomic } from "@wrenn/system";

/** What the command line of this machine needs to call its server. */
export interface LocalClient {
  readonly apiKey: string;
}

/** @returns undefined where no server has written one yet. */
export async function readLocalClient(path: string): Promise<LocalClient | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as LocalClient);
}

export async function writeLocalClient(path: string, client: LocalClient): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(client)}\n`);
}
