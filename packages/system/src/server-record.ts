import { readFile, rm } from "node:fs/promises";
import { writeFileAtomic } from "./atomic-file.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A running server, recorded for other commands on this machine. */
export interface ServerRecord {
  readonly process: ProcessIdentity;
  readonly url: string;
}

/** Records that this process serves `url`. */
export async function writeServerRecord(path: string, url: string): Promise<void> {
  const self = await identifyProcess(process.pid);
  if (!self) throw new Error("/proc does not show this process");
  await writeFileAtomic(path, `${JSON.stringify({ process: self, url })}\n`);
}

/** The running server that this file records, or undefined. */
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
