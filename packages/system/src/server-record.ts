import { readFile, rm } from "node:fs/promises";
import { writeFileAtomic } from "./atomic-file.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A running server, recorded for other commands on this machine. */
export interface ServerRecord {
  readonly process: ProcessIdentity;
  readonly url: string;
  /** Where programs find names below its domain over TLS; undefined where they cannot. */
  readonly secureDomain?: SecureDomain;
}

/** A domain that a server serves over TLS, with the names below it. */
export interface SecureDomain {
  /** With its port where that is not the one of HTTPS. */
  readonly domain: string;
  /** Certificate of the server's own CA, which programs have to trust; undefined with a certificate of another. */
  readonly authorityFile?: string;
}

/** Records that this process serves `url`, and names below `secureDomain`. */
export async function writeServerRecord(
  path: string,
  url: string,
  secureDomain?: SecureDomain,
): Promise<void> {
  const self = await identifyProcess(process.pid);
  if (!self) throw new Error("/proc does not show this process");
  await writeFileAtomic(path, `${JSON.stringify({ process: self, url, secureDomain })}\n`);
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
