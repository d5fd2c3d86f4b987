import { renameSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import { readFileIfPresent } from "@wrenn/system";
import type { TestProcess } from "./test-process.ts";

const MIB = 1 << 20;
const fileIn = (directory: string): string => join(directory, "held-memory");

/**
 * Collects garbage, which needs --expose-gc, and writes how many bytes are left: objects, and buffers and sessions outside of the heap. The
 * resident memory says less. Node collects garbage when it needs the place, and keeps pages of what it collected for a while: a process
 * that has nothing to do may do neither for minutes.
 */
export function writeHeldMemory(directory: string): void {
  if (!globalThis.gc) throw new Error("start it with --expose-gc");
  // What the first collection finalises, the second collects.
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${fileIn(directory)}.new`, String(heapUsed + external));
  renameSync(`${fileIn(directory)}.new`, fileIn(directory));
}

/** What a process holds that writes it into the directory at SIGUSR2, in MiB. */
export async function heldMib(process: TestProcess, directory: string): Promise<number> {
  await rm(fileIn(directory), { force: true });
  process.signal("SIGUSR2");
  let held: string | undefined;
  await eventually("the process says what it holds", async () => {
    held = await readFileIfPresent(fileIn(directory));
    return held !== undefined;
  });
  return Number(held) / MIB;
}
