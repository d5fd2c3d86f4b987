import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "@wrenn/system";
import { checkInstanceId } from "./naming.ts";
import { makeRuntimeDirectory, RUNTIME_DIRECTORY } from "./runtime-directory.ts";

const DIRECTORY = join(RUNTIME_DIRECTORY, "instances");

/** Whose an instance in the kernel is. */
export interface InstanceOwner {
  /** Where its journal lies; without the journal nobody can ever take the instance over. */
  readonly stateDirectory: string;
  readonly block: number;
}

export async function writeOwner(id: string, owner: InstanceOwner): Promise<void> {
  await makeRuntimeDirectory(DIRECTORY);
  await writeFileAtomic(path(id), `${JSON.stringify(owner)}\n`, { mode: 0o600, durable: false });
}

/** Undefined when nothing is known of the instance. */
export async function readOwner(id: string): Promise<InstanceOwner | undefined> {
  checkInstanceId(id);
  const text = await readFile(path(id), "utf8").catch(() => "");
  try {
    const { stateDirectory, block } = JSON.parse(text) as Partial<InstanceOwner>;
    if (typeof stateDirectory !== "string" || typeof block !== "number") return undefined;
    return Number.isInteger(block) && block >= 0 && block <= 255 ? { stateDirectory, block } : undefined;
  } catch {
    return undefined;
  }
}

/** Ids of all instances that have an owner. */
export async function ownedInstances(): Promise<readonly string[]> {
  const names = await readdir(DIRECTORY).catch(() => []);
  return names.flatMap((name) => /^([0-9a-f]{4})\.json$/.exec(name)?.[1] ?? []);
}

export async function removeOwner(id: string): Promise<void> {
  await rm(path(id), { force: true });
}

function path(id: string): string {
  return join(DIRECTORY, `${id}.json`);
}
