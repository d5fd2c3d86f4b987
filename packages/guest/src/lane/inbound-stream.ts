import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame } from "@wrenn/protocol";
import type { Lane, LaneStream } from "./lane.ts";

/** Where a stream may begin: far enough below the largest offset that JavaScript counts exactly. */
const START_LIMIT = 2 ** 53 - 2 ** 32;

/** @throws WrennError `guest_protocol` for an offset at which no stream can begin. */
export function requireStart(offset: number): void {
  if (offset > START_LIMIT)
    throw new WrennError("guest_protocol", { problem: `a stream that begins at ${offset}` });
}

export interface InboundHandlers {
  /** New bytes at `offset`, valid during the call. A jump past the last offset means that the guest dropped bytes. */
  readonly onData: (offset: number, bytes: Buffer) => void;
  /** Everything was delivered; `status` is an errno or 0. */
  readonly onEnd: (finalOffset: number, status: number) => void;
  readonly onFail: (cause: unknown) => void;
}

/** Bytes from the guest: grants credit by absolute offsets, accepts nothing beyond it, and drops what it has already had. */
export class InboundStream implements LaneStream {
  readonly #lane: Lane;
  readonly #id: number;
  readonly #handlers: InboundHandlers;
  #received = 0;
  #acknowledged = 0;
  #limit: number;
  #ended = false;

  /** @param limit - offset up to which the guest may send at first. */
  constructor(lane: Lane, id: number, limit: number, handlers: InboundHandlers) {
    this.#lane = lane;
    this.#id = id;
    this.#limit = limit;
    this.#handlers = handlers;
    lane.addStream(id, this);
  }

  get received(): number {
    return this.#received;
  }

  /** Offset up to which the guest may send. */
  get limit(): number {
    return this.#limit;
  }

  /** Bytes that the guest may send at any moment. */
  get outstanding(): number {
    return this.#ended ? 0 : this.#limit - this.#received;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Continues from an offset that the guest names, as that of a stream which an earlier link read.
   *
   * @throws WrennError `guest_protocol` for an offset that leaves no room for a stream.
   */
  startAt(offset: number): void {
    requireStart(offset);
    this.#received = offset;
    this.#limit = Math.max(this.#limit, offset);
  }

  /** Lets the guest send up to `limit` and forget what has been received. */
  grant(limit: number): void {
    const exact = Math.min(limit, Number.MAX_SAFE_INTEGER);
    if (this.#ended || exact <= this.#limit) return;
    this.#limit = exact;
    this.resume();
  }

  /** Says what has arrived, when that is at least `step` more than the guest knows. */
  acknowledge(step: number): void {
    if (!this.#ended && this.#received - this.#acknowledged >= step) this.resume();
  }

  /** @throws WrennError `guest_protocol` for bytes beyond the limit. */
  receive(frame: Frame): void {
    if (frame.type === guestChannel.frameType.data)
      this.#takeData(new guestChannel.BodyReader(frame.payload));
    else if (frame.type === guestChannel.frameType.end)
      this.#takeEnd(new guestChannel.BodyReader(frame.payload));
  }

  resume(): void {
    if (this.#ended) return;
    const isSent = this.#lane.send((epoch) =>
      guestChannel.encodeWindow(epoch, this.#id, this.#received, this.#limit),
    );
    if (isSent) this.#acknowledged = this.#received;
    else this.#lane.whenWritable(this);
  }

  writable(): void {
    this.resume();
  }

  fail(cause: unknown): void {
    if (!this.#ended) this.#handlers.onFail(cause);
    this.#ended = true;
  }

  close(): void {
    this.#ended = true;
    this.#lane.removeStream(this.#id);
  }

  #takeData(reader: guestChannel.BodyReader): void {
    const offset = reader.u64();
    const bytes = reader.rest();
    if (this.#ended) return;
    const end = offset + bytes.length;
    // Beyond the largest exact number a limit bounds nothing: sums are rounded.
    if (end > Math.min(this.#limit, Number.MAX_SAFE_INTEGER))
      throw new WrennError("guest_protocol", {
        problem: `bytes up to ${end} of a stream that may be sent up to ${this.#limit}`,
      });
    const known = this.#received - offset;
    if (known >= bytes.length) return;
    const fresh = known > 0 ? bytes.subarray(known) : bytes;
    const at = known > 0 ? this.#received : offset;
    this.#received = at + fresh.length;
    this.#handlers.onData(at, fresh);
  }

  #takeEnd(reader: guestChannel.BodyReader): void {
    const finalOffset = reader.u64();
    const status = reader.u32();
    // An end that overtakes bytes belongs to an earlier connection: the guest repeats it.
    if (this.#ended || (status === 0 && finalOffset > this.#received)) return;
    this.#ended = true;
    this.#lane.removeStream(this.#id);
    this.#handlers.onEnd(finalOffset, status);
  }
}
