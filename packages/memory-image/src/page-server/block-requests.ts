import { WrennError } from "@wrenn/core";
import { pageSize } from "../page.ts";
import { blockPages, maxInFlight } from "./protocol.ts";

const blockBytes = blockPages * pageSize;
/** A block is asked for again when the machine's memory was changing while it was brought in. */
const asksPerBlock = 8;
const asksAtLeast = 1024;

/**
 * What a program may ask for: blocks that hold pages of the remote source, each once at a time, few at once, and not for ever. A
 * program that a machine has taken over asks for anything.
 */
export class BlockRequests {
  readonly #size: number;
  readonly #remote: ReadonlySet<number>;
  readonly #inFlight = new Set<number>();
  #left: number;

  /** @param table - the extents as the program has them: five numbers each; those of `callbackKind` are remote. */
  constructor(table: BigUint64Array, callbackKind: bigint) {
    const remote = new Set<number>();
    let size = 0;
    for (let at = 0; at < table.length; at += 5) {
      const [offset = 0n, length = 0n, kind] = table.subarray(at, at + 5);
      size = Number(offset + length);
      if (kind !== callbackKind) continue;
      for (let block = Math.floor(Number(offset) / blockBytes); block * blockBytes < size; block++)
        remote.add(block);
    }
    this.#size = size;
    this.#remote = remote;
    this.#left = remote.size * asksPerBlock + asksAtLeast;
  }

  get pages(): number {
    return this.#size / pageSize;
  }

  /** Takes a request. @throws WrennError `page_server_failed`. */
  begin(offset: number, length: number): void {
    const block = offset / blockBytes;
    this.#left -= 1;
    if (
      !this.#remote.has(block) ||
      length !== Math.min(blockBytes, this.#size - offset) ||
      this.#inFlight.has(block) ||
      this.#inFlight.size >= maxInFlight ||
      this.#left < 0
    ) {
      const problem = `the page server asked for ${length} bytes at ${offset}, which it cannot ask for`;
      throw new WrennError("page_server_failed", { problem });
    }
    this.#inFlight.add(block);
  }

  /** The request is answered. */
  end(offset: number): void {
    this.#inFlight.delete(offset / blockBytes);
  }
}
