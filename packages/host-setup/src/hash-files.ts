import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";

/** SHA-256 in hex over names and contents of files, in the order of their paths. @param root - names count relative to it. */
export async function hashFiles(root: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of [...files].sort()) {
    const content = await readFile(path);
    hash.update(`${relative(root, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}
