import { byteString } from "./byte-string.ts";
import { MemberBuilder } from "./member-builder.ts";
import { parsePaxRecords } from "./pax-records.ts";
import { hasMorePieces, MAX_PIECES, oldSparsePieces, readSparseMap } from "./sparse-map.ts";
import type { TarEntry } from "./tar-entry.ts";
import { TarError } from "./tar-error.ts";
import { BLOCK, isEmptyBlock, paddingOf, parseHeader } from "./tar-header.ts";
import { take } from "./tar-steps.ts";
import type { TarParser, TarStep } from "./tar-steps.ts";

/** Most bytes of an extended header or a long name. Go's reader, and so Docker and containerd, have the same limit. */
const MAX_EXTENSION = 2 ** 20;

/**
 * Reads a tar archive that arrives in pieces, and reports each member with the place of its contents. Nothing but headers is held.
 *
 * It has no library under it: those there are for Node.js decode extended attributes as text, which damages capabilities of files, do
 * not know sparse files, and lose names that are not UTF-8.
 */
export class TarReader {
  readonly #onEntry: (entry: TarEntry) => void;
  readonly #parser: TarParser<void>;
  #step: TarStep | undefined;
  /** Pieces of what is taken, and their bytes. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #skipped = 0;
  /** Bytes of the archive before the place that the parser is at. */
  #position = 0;
  #isBetween = true;

  /** @param onEntry - may throw, which ends the reading. */
  constructor(onEntry: (entry: TarEntry) => void) {
    this.#onEntry = onEntry;
    this.#parser = this.#members();
    this.#advance();
  }

  /** Takes the next bytes of the archive. What follows its end is ignored. @throws TarError; what `onEntry` throws. */
  write(piece: Uint8Array): void {
    let at = 0;
    while (this.#step !== undefined) {
      const wanted =
        "take" in this.#step ? this.#step.take - this.#heldBytes : this.#step.skip - this.#skipped;
      const available = piece.length - at;
      const used = Math.min(wanted, available);
      if ("take" in this.#step && used > 0) this.#held.push(piece.subarray(at, at + used));
      if ("take" in this.#step) this.#heldBytes += used;
      else this.#skipped += used;
      at += used;
      if (used < wanted) return;
      this.#advance();
    }
  }

  /** The archive has no more bytes. @throws TarError where it ends in the middle of a member. */
  end(): void {
    if (this.#step !== undefined && !(this.#isBetween && this.#heldBytes === 0))
      throw new TarError("the archive ends in the middle of a member");
  }

  /** Gives the parser what it asked for. */
  #advance(): void {
    this.#position += this.#heldBytes + this.#skipped;
    const taken = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#skipped = 0;
    const next = this.#parser.next(taken);
    this.#step = next.done === true ? undefined : next.value;
  }

  *#members(): TarParser<void> {
    let member = new MemberBuilder();
    for (;;) {
      this.#isBetween = member.isEmpty;
      const block = yield* take(BLOCK);
      if (isEmptyBlock(block)) {
        // Two of them end an archive. Some tools write one.
        if (isEmptyBlock(yield* take(BLOCK))) return;
        throw new TarError("the archive has an empty block in its middle");
      }
      this.#isBetween = false;
      const header = parseHeader(block);
      if (!"xgLK".includes(header.flag)) {
        yield* this.#member(member, block);
        member = new MemberBuilder();
        continue;
      }
      if (header.size < 0 || header.size > MAX_EXTENSION)
        throw new TarError(`an extended header is longer than ${MAX_EXTENSION} bytes`, header.name);
      const data = yield* take(header.size);
      yield { skip: paddingOf(header.size) };
      // Global records are ignored, as Go's reader does: what writes them is git, and it writes a comment.
      if (header.flag === "x") member.setRecords(parsePaxRecords(data));
      if (header.flag === "L") member.setLongName(untilNul(data));
      if (header.flag === "K") member.setLongTarget(untilNul(data));
    }
  }

  *#member(member: MemberBuilder, block: Buffer): TarParser<void> {
    member.setHeader(parseHeader(block));
    if (member.isOldSparse) {
      member.addOldPieces(oldSparsePieces(block, true), block);
      for (let next = block; hasMorePieces(next, next === block);) {
        next = yield* take(BLOCK);
        member.addOldPieces(oldSparsePieces(next, false));
        if (member.pieceCount > MAX_PIECES)
          throw new TarError(`a sparse file has more than ${MAX_PIECES} pieces`, member.name);
      }
    }
    let mapBytes = 0;
    if (member.hasMapInContent) {
      const map = yield* readSparseMap();
      mapBytes = map.bytes;
      member.setPieces(map.pieces);
    }
    const { stored } = member;
    if (mapBytes > stored)
      throw new TarError("the map of a sparse file is longer than the file", member.name);
    this.#onEntry(member.build({ offset: this.#position, stored: stored - mapBytes }));
    yield { skip: stored - mapBytes };
    yield { skip: paddingOf(stored) };
  }
}

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return byteString(end === -1 ? bytes : bytes.subarray(0, end));
}
