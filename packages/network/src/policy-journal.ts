import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "@wrenn/system";
import type { NetworkPolicy } from "./policy.ts";

/** The policy of a slot and the number under which the kernel marks its connections. */
export interface PolicyRecord {
  readonly policy: NetworkPolicy;
  readonly epoch: number;
}

const NAME = /^slot-([1-9]\d{0,4})\.json$/;

/** Policies of slots that outlive the agent, one file each; slots with the default policy have none. */
export async function readPolicies(stateDirectory: string): Promise<Map<number, PolicyRecord>> {
  const records = new Map<number, PolicyRecord>();
  for (const name of await readdir(directory(stateDirectory)).catch(() => [])) {
    const number = Number(NAME.exec(name)?.[1]);
    if (!number) continue;
    const text = await readFile(join(directory(stateDirectory), name), "utf8");
    records.set(number, JSON.parse(text) as PolicyRecord);
  }
  return records;
}

export async function writePolicy(
  stateDirectory: string,
  number: number,
  record: PolicyRecord,
): Promise<void> {
  await mkdir(directory(stateDirectory), { recursive: true, mode: 0o700 });
  await writeFileAtomic(path(stateDirectory, number), JSON.stringify(record));
}

export async function removePolicy(stateDirectory: string, number: number): Promise<void> {
  await rm(path(stateDirectory, number), { force: true });
}

function directory(stateDirectory: string): string {
  return join(stateDirectory, "policies");
}

function path(stateDirectory: string, number: number): string {
  return join(directory(stateDirectory), `slot-${number}.json`);
}
