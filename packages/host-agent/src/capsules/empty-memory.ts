import { open } from "node:fs/promises";
import type { CapsuleDirectory } from "./capsule-directory.ts";

const MIB = 2 ** 20;

/**
 * The memory that a machine is booted on: zeros that occupy nothing. What its guest writes stays in its process, so that a moment
 * of it is saved as the pages that differ from this file.
 *
 * @returns its path.
 */
export async function emptyMemory(
  { emptyMemory: path }: Pick<CapsuleDirectory, "emptyMemory">,
  memoryMib: number,
): Promise<string> {
  const file = await open(path, "a");
  try {
    await file.truncate(memoryMib * MIB);
    await file.chmod(0o444);
  } finally {
    await file.close();
  }
  return path;
}
