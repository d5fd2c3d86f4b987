import { fileURLToPath } from "node:url";
import { runCommand } from "@wrenn/system";
import type { ApiServer } from "../row.ts";

const CLIENT = fileURLToPath(new URL("process.ts", import.meta.url));

/** A file of a capsule. */
export interface CapsuleFile {
  /** Of the capsule in the API. */
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

/**
 * Moves a whole file between a capsule and a client in a separate process.
 *
 * @returns milliseconds of the transfer alone.
 */
export async function transferFile(
  { url, apiKey }: ApiServer,
  direction: "up" | "down",
  { path, name, bytes }: CapsuleFile,
  signal: AbortSignal,
): Promise<number> {
  const file = new URL(`${path}/files/content?path=${name}`, url).href;
  const { stdout } = await runCommand([process.execPath, CLIENT, direction, file, apiKey, String(bytes)], {
    signal,
  });
  return Number(stdout);
}
