import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import { checkInstanceId } from "./naming.ts";

/** What must outlive the agent: the instance's name and addresses. Which slots exist is read from the kernel. */
export interface SlotJournal {
  readonly instance: string;
  readonly block: number;
}

/** The journal of an earlier run, or undefined when there was none or it was closed cleanly. */
export async function readJournal(stateDirectory: string): Promise<SlotJournal | undefined> {
  const text = await readFileIfPresent(path(stateDirectory));
  if (text === undefined) return undefined;
  const { instance, block } = JSON.parse(text) as SlotJournal;
  checkInstanceId(instance);
  return { instance, block };
}

export async function writeJournal(stateDirectory: string, journal: SlotJournal): Promise<void> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  await writeFileAtomic(path(stateDirectory), JSON.stringify(journal));
}

export async function removeJournal(stateDirectory: string): Promise<void> {
  await rm(path(stateDirectory), { force: true });
}

function path(stateDirectory: string): string {
  return join(stateDirectory, "slots.json");
}
