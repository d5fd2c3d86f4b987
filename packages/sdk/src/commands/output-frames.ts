/** Kinds of frames in an output stream, by their number (output streams in docs/reference/rest-api.md). */
const kinds = ["heartbeat", "stdout", "stderr", "started", "dropped", "exit", "status", "error"] as const;

/** A frame, or a part of one: bytes of the output are given as they arrive. */
export type OutputFrame =
  | { readonly kind: "heartbeat" }
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | {
      readonly kind: "started" | "dropped" | "exit" | "status" | "error";
      readonly value: Readonly<Record<string, unknown>>;
    };

/** Longest frame that is accepted: what is kept is bounded, whatever sends it. */
export const FRAME_BYTES = 1 << 20;
const HEAD_BYTES = 8;

/**
 * Reads frames from the chunks of a body, wherever these are cut. Bytes of the output are not copied: they are views of the chunk,
 * so that one frame may be given in several parts. Frames of kinds that a newer server may send are given as heartbeats.
 */
export class FrameParser {
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headBytes = 0;
  #kind: (typeof kinds)[number] = "heartbeat";
  /** Bytes of the payload that are still to come. */
  #left = 0;
  /** What has arrived of a payload that is needed as a whole. */
  #payload: Uint8Array[] = [];

  /** The frames that `chunk` completes or continues. @throws RangeError, SyntaxError for bytes that are no frames. */
  *push(chunk: Uint8Array): Generator<OutputFrame, void, undefined> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headBytes < HEAD_BYTES) {
        const part = chunk.subarray(at, at + HEAD_BYTES - this.#headBytes);
        this.#head.set(part, this.#headBytes);
        this.#headBytes += part.length;
        at += part.length;
        if (this.#headBytes < HEAD_BYTES) return;
        this.#begin();
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      const isOver = this.#left === 0;
      if (isOver) this.#headBytes = 0;
      const frame = this.#take(part, isOver);
      if (frame) yield frame;
    }
  }

  /** Whether the bytes so far end with a whole frame. */
  get isBetweenFrames(): boolean {
    return this.#headBytes === 0;
  }

  #begin(): void {
    const view = new DataView(this.#head.buffer);
    const [kind, length] = [view.getUint8(0), view.getUint32(4)];
    if (view.getUint32(0) % 0x1_00_00_00 !== 0) throw new RangeError("a frame has an unknown form");
    if (length > FRAME_BYTES) throw new RangeError(`a frame of ${length} bytes is too long`);
    this.#kind = kinds[kind] ?? "heartbeat";
    this.#left = length;
    this.#payload = [];
  }

  #take(part: Uint8Array, isOver: boolean): OutputFrame | undefined {
    const kind = this.#kind;
    if (kind === "heartbeat") return isOver ? { kind } : undefined;
    if (kind === "stdout" || kind === "stderr") return part.length > 0 ? { kind, bytes: part } : undefined;
    this.#payload.push(part);
    if (!isOver) return undefined;
    const value: unknown = JSON.parse(textOf(this.#payload));
    this.#payload = [];
    if (typeof value !== "object" || value === null) throw new SyntaxError(`a frame '${kind}' has no object`);
    return { kind, value: value as Readonly<Record<string, unknown>> };
  }
}

function textOf(parts: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}
