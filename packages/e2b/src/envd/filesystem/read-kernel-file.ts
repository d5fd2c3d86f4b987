import type { EnvdSandbox } from "../envd-sandbox.ts";

/** A guest decides how long such a file is; what is read of it is bounded. */
const MOST_BYTES = 1 << 20;

/** The beginning of a file that the guest's kernel writes, such as /proc/mounts. */
export async function readKernelFile(
  path: string,
  files: EnvdSandbox["files"],
  signal: AbortSignal,
): Promise<string> {
  const { bytes } = await files.read(path, { signal });
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bytes) {
    parts.push(part);
    size += part.length;
    if (size > MOST_BYTES) break;
  }
  return Buffer.concat(parts).toString();
}
