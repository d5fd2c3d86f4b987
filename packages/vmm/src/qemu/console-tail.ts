import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { machineFiles } from "./command-line.ts";

const TAIL = 4096;
const LINE_LIMIT = 200;

/** The last line on a machine's console, for people; what the guest wrote there is stripped of control characters. */
export async function lastConsoleLine(directory: string): Promise<string> {
  const text = await readFile(join(directory, machineFiles.console), "latin1").catch(() => "");
  const line = text.slice(-TAIL).trim().split("\n").at(-1) ?? "";
  return line.replaceAll(/[^\u0020-\u007e]/g, "").slice(0, LINE_LIMIT);
}
