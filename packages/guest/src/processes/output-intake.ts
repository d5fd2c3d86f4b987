import type { ByteLog } from "@wrenn/core";
import { InboundStream } from "../lane/inbound-stream.ts";
import type { InboundHandlers } from "../lane/inbound-stream.ts";
import type { Lane } from "../lane/lane.ts";
import type { BufferShare } from "../memory/capsule-buffer.ts";

/** After this many bytes the guest learns what it may forget. */
const ACKNOWLEDGE_BYTES = 65_536;

export interface OutputIntakeDeps {
  readonly lane: Lane;
  readonly log: ByteLog;
  /** What the stream may cost, never less than at first; closed with the stream. */
  readonly share: BufferShare;
}

export interface OutputIntakeOptions {
  readonly streamId: number;
  /** What the guest may send unasked. */
  readonly unasked: number;
  /** The guest may send this much at any moment, unless nothing waits. */
  readonly ring: number;
  /** What the guest may send beyond what readers have taken: the rest of the log is for readers that come back. */
  readonly ahead: number;
  /** Output never waits for a reader: what there is no room for is dropped. */
  readonly neverWaits: boolean;
}

/**
 * One output stream of a process on its way into its log: what is held of it and what the guest may yet send never cost more than
 * its share. With room in the capsule's memory the share grows up to a whole log; without, the stream moves on in steps of a ring.
 */
export class OutputIntake {
  readonly inbound: InboundStream;
  readonly #log: ByteLog;
  readonly #share: BufferShare;
  readonly #ring: number;
  /** What the share has had from the beginning. */
  readonly #floor: number;
  readonly #ahead: number;
  readonly #neverWaits: boolean;
  #closed = false;

  constructor(deps: OutputIntakeDeps, options: OutputIntakeOptions, handlers: InboundHandlers) {
    this.#log = deps.log;
    this.#share = deps.share;
    this.#ring = options.ring;
    this.#floor = deps.share.bytes;
    this.#ahead = options.ahead;
    this.#neverWaits = options.neverWaits;
    this.inbound = new InboundStream(deps.lane, options.streamId, options.unasked, handlers);
  }

  /**
   * Lets the guest send beyond `base`: the bytes before it are taken, or nobody takes them. A quarter of the guest's ring at a time
   * keeps the pipe full without a message for every read.
   */
  admit(base: number): void {
    const { inbound } = this;
    if (inbound.ended) return this.settle();
    if (this.#neverWaits) return this.#admitAll();
    const step = this.#ring / 4;
    const { limit } = inbound;
    // Most commands print less than a ring, and need no credit beyond it.
    const wanted = base + Math.min(this.#ahead, Math.max(this.#ring, 2 * inbound.received));
    if (wanted - limit < step) return this.#acknowledge();
    if (this.#share.reserve(this.#cost(wanted), "growth")) return inbound.grant(wanted);
    let least = base + this.#ring;
    if (least - limit >= step && !this.#share.reserve(this.#cost(least))) {
      // What was taken is kept for later readers only while there is room. The rest never costs more than the ring.
      this.#log.forget(base);
      least -= this.#log.footprint - (this.#log.end - this.#log.start);
    }
    if (least - limit >= step) inbound.grant(least);
    this.#acknowledge();
  }

  /** The guest needs room in its ring for what it may send. */
  #acknowledge(): void {
    this.inbound.acknowledge(this.#ring / 4);
    this.settle();
  }

  /** Makes the share what the stream costs now. */
  settle(): void {
    if (this.#closed) return;
    this.#share.set(this.#cost(this.inbound.limit));
  }

  close(): void {
    this.#closed = true;
    this.inbound.close();
    this.#share.close();
  }

  /** The guest may send whatever it has: what does not fit replaces the oldest bytes of the log. */
  #admitAll(): void {
    this.inbound.grant(Number.MAX_SAFE_INTEGER);
    this.inbound.acknowledge(ACKNOWLEDGE_BYTES);
    if (this.#share.reserve(Math.max(this.#log.footprint, this.#floor), "growth")) return;
    this.#log.shrinkTo(this.#floor);
    this.settle();
  }

  #cost(limit: number): number {
    const { ended, received } = this.inbound;
    if (ended) return this.#log.footprint;
    const outstanding = this.#neverWaits ? 0 : limit - received;
    return Math.max(this.#log.footprint + outstanding, this.#floor);
  }
}
