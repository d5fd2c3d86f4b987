import { stat } from "node:fs/promises";

/** Bytes on disk: a memory file is mostly holes. */
export async function allocatedBytes(paths: readonly string[]): Promise<number> {
  let total = 0;
  for (const path of paths) total += (await stat(path)).blocks * 512;
  return total;
}
