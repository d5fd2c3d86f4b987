import { open } from "node:fs/promises";
import { TSC_ARGUMENT } from "./command-line.ts";

const CHUNK = 4 << 20;
/** Longer than the argument with its value, so that none is missed where two chunks meet. */
const OVERLAP = 64;

/**
 * The frequency that a frozen guest was booted with: its kernel keeps the command line in its memory. Undefined when it is not there.
 */
export async function frozenTscKhz(memoryFile: string, signal: AbortSignal): Promise<number | undefined> {
  const file = await open(memoryFile, "r");
  const wanted = Buffer.from(`${TSC_ARGUMENT}=`);
  try {
    const bytes = Buffer.alloc(CHUNK + OVERLAP);
    for (let at = 0; ; at += CHUNK) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
      for (let found = 0; ; found++) {
        found = bytes.subarray(0, bytesRead).indexOf(wanted, found);
        if (found < 0) break;
        const value = /^\d{5,8}(?= )/.exec(bytes.toString("latin1", found + wanted.length, found + OVERLAP));
        if (value) return Number(value[0]);
      }
      if (bytesRead < bytes.length) return undefined;
    }
  } finally {
    await file.close();
  }
}
