import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { machineFiles } from "./command-line.ts";

const TAIL = 4096;
const LINE_LIMIT = 200;

/** The last line on a machine's console, for people; what the guest wrote there is stripped of control characters. */
export async function lastConsoleLine(directory: string): Promise<string> {
  return (await lastLines(directory)).at(-1) ?? "";
}

/** What KVM said on the console when it could not go on, above a dump of the CPU's registers; otherwise the last line. */
export async function lastComplaint(directory: string): Promise<string> {
  const lines = await lastLines(directory);
  return lines.findLast((line) => /^kvm\b/i.test(line)) ?? lines.at(-1) ?? "";
}

async function lastLines(directory: string): Promise<readonly string[]> {
  const text = await readFile(join(directory, machineFiles.console), "latin1").catch(() => "");
  const lines = text.slice(-TAIL).trim().split("\n");
  return lines.map((line) => line.replaceAll(/[^\u0020-\u007e]/g, "").slice(0, LINE_LIMIT));
}
