import { readFile, rm } from "node:fs/promises";
import { identifyProcess, isAlive, writeFileAtomic } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

/** A running server, as other commands of this machine find it. */
export interface ServerRecord {
  readonly process: ProcessIdentity;
  readonly url: string;
}

/** Says that this process serves `url`. */
export async function writeServerRecord(path: string, url: string): Promise<void> {
  const self = await identifyProcess(process.pid);
  if (!self) throw new Error("/proc does not show this process");
  await writeFileAtomic(path, `${JSON.stringify({ process: self, url })}\n`);
}

/** The server that runs on this data directory, or undefined when none does. */
export async function findServer(path: string): Promise<ServerRecord | undefined> {
  const record = await readRecord(path);
  return record && (await isAlive(record.process)) ? record : undefined;
}

export async function removeServerRecord(path: string): Promise<void> {
  await rm(path, { force: true });
}

async function readRecord(path: string): Promise<ServerRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ServerRecord;
  } catch {
    // Missing, or cut short by a crash of its writer: either way no server has announced itself.
    return undefined;
  }
}
