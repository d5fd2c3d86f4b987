import { unfinishedSequence } from "./escape-sequences.ts";

/** What a terminal answers, as if it were typed: reports of its kind, its state, its colours and the cursor. */
const QUERIES =
  // oxlint-disable-next-line no-control-regex -- escape sequences are made of control characters
  /\u0005|\u001bZ|\u001b\[(?:[>=]?\d*c|\??\d+(?:;\d+)*n|\??\d+\$p|>\d*q|\?u|\?4m|1[1345689](?:;\d+)*t|2[01]t|[01]?x)|\u001b\](?:\d+;)+(?:[a-z]*;)?\?(?:\u0007|\u001b\\)|\u001bP[$+]q[^\u001b]*\u001b\\|\u001b_G[^\u001b]*a=q[^\u001b]*\u001b\\/g;

/** Whether output makes the terminal answer. Sequences that were cut are not seen. */
export function hasQueries(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString("latin1").search(QUERIES) >= 0;
}

/**
 * Takes queries out of output that is shown again: they were answered when the program asked, and a second answer would be typed into
 * whatever runs now.
 */
export class ReplayFilter {
  #left: number;
  #rest = "";

  /** @param length - bytes of output that are shown again; what follows them is live, and passes as it is. */
  constructor(length: number) {
    this.#left = length;
  }

  /** The next bytes of the output, without queries. */
  filter(bytes: Uint8Array): Uint8Array {
    if (this.#left <= 0) return bytes;
    const replayed = bytes.subarray(0, this.#left);
    this.#left -= replayed.length;
    const live = bytes.subarray(replayed.length);
    const text = this.#rest + Buffer.from(replayed).toString("latin1");
    const shown = text.replaceAll(QUERIES, "");
    const held = this.#left > 0 ? unfinishedSequence(shown, 0) : 0;
    this.#rest = shown.slice(shown.length - held);
    return Buffer.concat([Buffer.from(shown.slice(0, shown.length - held), "latin1"), live]);
  }
}
