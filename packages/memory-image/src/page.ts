/** Guest memory is handled in pages of this many bytes; the block size of every format here. */
export const pageSize = 4096;

/** Whether a page of `words` starting at word `start` holds only zero bytes. */
export function isZeroPage(words: Int32Array, start: number): boolean {
  const end = start + pageSize / 4;
  for (let index = start; index < end; index += 1) if (words[index] !== 0) return false;
  return true;
}

/** `bytes` rounded up to whole pages. */
export function roundUpToPage(bytes: number): number {
  return Math.ceil(bytes / pageSize) * pageSize;
}
