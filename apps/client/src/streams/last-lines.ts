const NEWLINE = 0x0a;

/** The last lines, from 1; a piece without an end is one. */
export function lastLines(bytes: Uint8Array, count: number): Uint8Array {
  let start = bytes.length;
  for (let lines = 0; start > 0; start--) {
    if (bytes[start - 1] === NEWLINE && start < bytes.length && ++lines === count) break;
  }
  return bytes.subarray(start);
}
