import type { OutputEvent, OutputStream } from "./output-events.ts";
import { OutputText } from "./output-text.ts";

/** A piece of output, as text. */
export interface TextChunk {
  readonly stream: OutputStream;
  readonly text: string;
  /** Bytes of the stream that the server did not keep until they were read, directly before this piece. */
  readonly droppedBefore: number;
}

/** A piece of output, as bytes. */
export interface BytesChunk {
  readonly stream: OutputStream;
  readonly bytes: Uint8Array;
  /** Bytes of the stream that the server did not keep until they were read, directly before this piece. */
  readonly droppedBefore: number;
}

/** Makes chunks of what is met in the output of a command. What is carried from one to the next outlives connections and loops. */
export class OutputChunks {
  readonly #isText: boolean;
  readonly #text = new OutputText();
  readonly #dropped = { stdout: 0, stderr: 0 };

  constructor(encoding: "text" | "bytes") {
    this.#isText = encoding === "text";
  }

  /** The chunks that `event` completes. */
  *next(event: OutputEvent): Generator<TextChunk | BytesChunk, void, undefined> {
    if (event.type === "data") {
      const { stream, bytes } = event;
      if (this.#isText) yield* this.#chunk(stream, this.#text.next(stream, bytes));
      else yield { stream, bytes, droppedBefore: this.#takeDropped(stream) };
    } else if (event.type === "dropped") {
      // The rest of a character is lost: what there is of it comes before the gap.
      yield* this.#chunk(event.stream, this.#text.rest(event.stream));
      this.#dropped[event.stream] += event.bytes;
    } else {
      yield* this.#chunk("stdout", this.#text.rest("stdout"));
      yield* this.#chunk("stderr", this.#text.rest("stderr"));
    }
  }

  *#chunk(stream: OutputStream, text: string): Generator<TextChunk, void, undefined> {
    if (text !== "") yield { stream, text, droppedBefore: this.#takeDropped(stream) };
  }

  #takeDropped(stream: OutputStream): number {
    const dropped = this.#dropped[stream];
    this.#dropped[stream] = 0;
    return dropped;
  }
}
