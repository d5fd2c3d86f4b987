import type { OutputEvent, OutputOffsets, OutputStream } from "@wrenn/protocol";
import type { Work } from "../http/pending-work.ts";
import { unfinishedBytes } from "./text-pieces.ts";

export interface CollectedOutputOptions {
  /** Bytes that are kept of each stream. */
  readonly limit: number;
  /** Memory of the answer: output without room in it is left out, as output beyond the limit is. */
  readonly work: Pick<Work, "reserve"> | undefined;
}

/** The output of a command for an answer, as far as there is room for it. */
export class CollectedOutput {
  readonly #options: CollectedOutputOptions;
  readonly #parts: Record<OutputStream, Uint8Array[]> = { stdout: [], stderr: [] };
  readonly #size: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #next: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #cut = new Set<OutputStream>();
  #isFull = false;

  constructor(options: CollectedOutputOptions) {
    this.#options = options;
  }

  /** Whether something of a stream was left out. */
  get isTruncated(): boolean {
    return this.#cut.size > 0;
  }

  /** How far each stream was read, kept or not. */
  get next(): OutputOffsets {
    return { ...this.#next };
  }

  /** Takes what a reader of the process meets. */
  take(event: OutputEvent): void {
    if (event.type === "dropped") {
      this.#cut.add(event.stream);
      this.#next[event.stream] = event.to;
    } else if (event.type === "data") {
      const { stream, bytes, offset } = event;
      const size = this.#size;
      this.#next[stream] = offset + bytes.length;
      this.#isFull ||= this.#options.work?.reserve(size.stdout + size.stderr + bytes.length) === false;
      const room = this.#isFull ? 0 : this.#options.limit - size[stream];
      if (bytes.length > room) this.#cut.add(stream);
      if (room > 0) this.#parts[stream].push(bytes.subarray(0, room));
      size[stream] += Math.min(room, bytes.length);
    }
  }

  /** A stream that has ended. A character that the limit cuts is left out, so that text stays text. */
  whole(stream: OutputStream): Buffer {
    const bytes = Buffer.concat(this.#parts[stream]);
    return this.#cut.has(stream) ? bytes.subarray(0, bytes.length - unfinishedBytes(bytes)) : bytes;
  }

  /** A stream that goes on. A character at its end whose rest is still to come is left for the next reader. */
  begun(stream: OutputStream): { readonly bytes: Buffer; readonly next: number } {
    const bytes = Buffer.concat(this.#parts[stream]);
    const unfinished = unfinishedBytes(bytes);
    const next = this.#cut.has(stream) ? this.#next[stream] : this.#next[stream] - unfinished;
    return { bytes: bytes.subarray(0, bytes.length - unfinished), next };
  }
}
