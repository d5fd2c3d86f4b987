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
  #rest = "";

  /**
   * The next bytes of the output, of the replay without queries.
   *
   * @param left - how many bytes of the replay follow them; negative for what is printed now, which passes as it is.
   */
  filter(bytes: Uint8Array, left: number): Uint8Array {
    if (left < 0 && this.#rest === "") return bytes;
    const text = this.#rest + Buffer.from(bytes).toString("latin1");
    const shown = left < 0 ? text : text.replaceAll(QUERIES, "");
    const held = left > 0 ? unfinishedSequence(shown, 0) : 0;
    this.#rest = shown.slice(shown.length - held);
    return Buffer.from(shown.slice(0, shown.length - held), "latin1");
  }
}
