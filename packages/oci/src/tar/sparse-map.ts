import type { SparsePiece } from "./tar-entry.ts";
import { BLOCK, numberField } from "./tar-header.ts";
import { TarError } from "./tar-error.ts";
import { take } from "./tar-steps.ts";
import type { TarParser } from "./tar-steps.ts";

/** Pieces of one file; each is held in memory. */
export const MAX_PIECES = 100_000;

/** The pieces in a header of GNU tar's own format (GNU tar manual, "Old GNU Format"): 4 in the first block, 21 in each further one. */
export function oldSparsePieces(block: Buffer, isFirst: boolean): readonly SparsePiece[] {
  const start = isFirst ? 386 : 0;
  const pieces: SparsePiece[] = [];
  for (let at = start; at < start + (isFirst ? 4 : 21) * 24; at += 24) {
    if (block[at] === 0) break;
    pieces.push({ at: numberField(block, at, 12), length: numberField(block, at + 12, 12) });
  }
  return pieces;
}

/** Whether another block with pieces follows. */
export function hasMorePieces(block: Buffer, isFirst: boolean): boolean {
  return block[isFirst ? 482 : 504] !== 0;
}

/** The size of the whole file in a header of GNU tar's own format. */
export function oldSparseSize(block: Buffer): number {
  return numberField(block, 483, 12);
}

/** The numbers of a map in an extended header: places and lengths in turn. @throws TarError */
export function sparsePiecesOf(numbers: readonly number[]): readonly SparsePiece[] {
  if (numbers.length % 2 !== 0) throw new TarError("a sparse file has a place without a length");
  return Array.from({ length: numbers.length / 2 }, (_, index) => ({
    at: numbers[2 * index] ?? 0,
    length: numbers[2 * index + 1] ?? 0,
  }));
}

/**
 * Reads a map that stands before the contents of a file (GNU tar manual, "PAX Format, Version 1.0"): the count, then places and lengths,
 * each on a line, filled up to a block.
 *
 * @returns the pieces and the bytes of the map.
 * @throws TarError
 */
export function* readSparseMap(): TarParser<{
  readonly pieces: readonly SparsePiece[];
  readonly bytes: number;
}> {
  const numbers: number[] = [];
  let wanted = 1;
  let line = "";
  let bytes = 0;
  while (numbers.length < wanted) {
    const block = yield* take(BLOCK);
    bytes += BLOCK;
    const lines = (line + block.toString("latin1")).split("\n");
    line = lines.pop() ?? "";
    for (const written of lines) {
      if (numbers.length >= wanted) break;
      if (!/^\d{1,15}$/.test(written)) throw new TarError("the map of a sparse file has no number");
      numbers.push(Number(written));
      if (numbers.length !== 1) continue;
      const count = numbers[0] ?? 0;
      if (count > MAX_PIECES) throw new TarError(`a sparse file has more than ${MAX_PIECES} pieces`);
      wanted = 1 + 2 * count;
    }
    if (numbers.length < wanted && line.length > 16)
      throw new TarError("the map of a sparse file has no number");
  }
  return { pieces: sparsePiecesOf(numbers.slice(1)), bytes };
}

/**
 * Pieces in order, without empty ones.
 *
 * @param name - of the file, for errors; `size` is that of the whole file, and `stored` what the archive has of it.
 * @throws TarError where they overlap, are outside of the file, or are not what is stored.
 */
export function checkPieces(
  pieces: readonly SparsePiece[],
  { name, size, stored }: { readonly name: string; readonly size: number; readonly stored: number },
): readonly SparsePiece[] {
  if (pieces.length > MAX_PIECES)
    throw new TarError(`a sparse file has more than ${MAX_PIECES} pieces`, name);
  let end = 0;
  let total = 0;
  for (const { at, length } of pieces) {
    if (at < end || length < 0 || at + length > size)
      throw new TarError("the pieces of a sparse file overlap, or are outside of it", name);
    end = at + length;
    total += length;
  }
  if (total !== stored) throw new TarError("a sparse file has other pieces than are stored", name);
  return pieces.filter(({ length }) => length > 0);
}
