import { abortable, Bell } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame } from "@wrenn/protocol";
import { requireStart } from "./inbound-stream.ts";
import type { Lane, LaneStream } from "./lane.ts";
import { UnreceivedBytes } from "./unreceived-bytes.ts";

const PART = guestChannel.MAX_PAYLOAD - 8;

/** The guest does not take more: errno of why. */
export class StreamRefused extends Error {
  override readonly name = "StreamRefused";
  readonly status: number;

  constructor(status: number) {
    super(`the guest stopped reading (${status})`);
    this.status = status;
  }
}

/** Bytes to the guest: kept until the guest has them, sent within its window. */
export class OutboundStream implements LaneStream {
  readonly #lane: Lane;
  readonly #id: number;
  readonly #unreceived = new UnreceivedBytes();
  #received = 0;
  #sent = 0;
  #limit: number;
  #closed = false;
  /** The guest was asked for its window on this connection; the end was sent on it. */
  #asked = true;
  #endSent = false;
  #failure: unknown;
  readonly #change = new Bell();
  readonly #onChange: () => void;

  /** @param onChange - called when the guest has received bytes, takes more, or takes none because the stream failed. */
  constructor(lane: Lane, id: number, limit: number, onChange: () => void = () => {}) {
    this.#lane = lane;
    this.#id = id;
    this.#limit = limit;
    this.#onChange = onChange;
    lane.addStream(id, this);
  }

  get received(): number {
    return this.#received;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** How many more bytes could be sent at once. With a lane that has no connection, or is behind, none; `onChange` follows. */
  room(): number {
    if (this.#lane.isWritable) return Math.max(0, this.#limit - this.end);
    this.#lane.whenWritable(this);
    return 0;
  }

  /** Offset just past the last byte that was given to this stream. */
  get end(): number {
    return this.#unreceived.end;
  }

  /** Continues from an offset that the guest names. @throws WrennError `guest_protocol` for one that leaves no room for a stream. */
  startAt(offset: number): void {
    requireStart(offset);
    this.#received = this.#sent = offset;
    this.#unreceived.startAt(offset);
  }

  /** Queues bytes, which must not change afterwards; resolves when those that are still to be received cost at most `backlog` bytes. */
  async write(bytes: Uint8Array, backlog: number, signal: AbortSignal): Promise<void> {
    this.#throwFailure();
    this.send(bytes);
    while (this.#unreceived.footprint > backlog) {
      await abortable(signal, this.#change.next);
      this.#throwFailure();
    }
  }

  /** Queues bytes, which must not change afterwards, and sends what the window admits. */
  send(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#unreceived.append(bytes);
    this.#push();
  }

  /** Says that nothing follows. */
  close(): void {
    this.#closed = true;
    this.#push();
  }

  receive(frame: Frame): void {
    const reader = new guestChannel.BodyReader(frame.payload);
    if (frame.type === guestChannel.frameType.window) this.#takeWindow(reader.u64(), reader.u64());
    else if (frame.type === guestChannel.frameType.end) {
      reader.u64();
      this.fail(new StreamRefused(reader.u32()));
    }
  }

  /** Asks the guest where it stands; its answer makes the rest be sent again. */
  resume(): void {
    this.#sent = this.#received;
    this.#endSent = false;
    this.#asked = this.#lane.send((epoch) => guestChannel.encodeWindow(epoch, this.#id, 0, 0));
    if (!this.#asked) this.#lane.whenWritable(this);
    this.#push();
    this.#onChange();
  }

  writable(): void {
    if (!this.#asked) return this.resume();
    this.#push();
    this.#onChange();
  }

  fail(cause: unknown): void {
    this.#failure ??= cause;
    this.#unreceived.clear();
    this.#change.ring();
    this.#onChange();
  }

  remove(): void {
    this.#lane.removeStream(this.#id);
  }

  #takeWindow(received: number, limit: number): void {
    if (received > this.end || received < this.#received) return;
    this.#unreceived.forget(received);
    this.#received = received;
    this.#sent = Math.max(this.#sent, received);
    this.#limit = Math.max(this.#limit, limit);
    this.#push();
    this.#change.ring();
    this.#onChange();
  }

  #push(): void {
    if (this.#failure !== undefined) return;
    const to = Math.min(this.end, this.#limit);
    while (this.#sent < to) {
      const at = this.#sent;
      const part = this.#unreceived.part(at, Math.min(PART, to - at));
      if (!this.#lane.send((epoch) => guestChannel.encodeData(epoch, this.#id, at, part)))
        return this.#lane.whenWritable(this);
      this.#sent = at + part.length;
    }
    if (!this.#closed || this.#endSent || this.#sent !== this.end) return;
    this.#endSent = this.#lane.send((epoch) => guestChannel.encodeEnd(epoch, this.#id, this.end));
    if (!this.#endSent) this.#lane.whenWritable(this);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
