import { readConsole } from "../console/console-ring.ts";
import { plainText } from "./plain-text.ts";

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
  const read = await readConsole(directory, () => ({ from: 0, most: TAIL })).catch(() => undefined);
  const lines = (read?.bytes.toString("latin1") ?? "").trim().split("\n");
  return lines.map((line) => plainText(line, LINE_LIMIT));
}
