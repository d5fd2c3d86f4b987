import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame, Welcome } from "@wrenn/protocol";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { Connection } from "./connection.ts";
import type { ConnectionEvents, LaneDial } from "./connection.ts";
import { IdleFrames } from "./idle-frames.ts";
import { Requests } from "./requests.ts";
import type { GuestRequest } from "./requests.ts";

const RECONNECT_MS = 20;
const RECONNECT_MAX_MS = 1000;
/** While the guest has not taken this much, nothing more is written to its socket. */
const BACKLOG_BYTES = 256 << 10;
/** Connections in a row that may break the framing of the protocol: a cut never needs more than one. */
const BROKEN_CONNECTIONS = 8;
/** With this many requests unanswered the guest does not answer at all: no more orders are sent. */
const ORDER_LIMIT = 4096;
/** A connection that held this long forgives the ones before it. */
const SOUND_MS = 60_000;

/** One direction of a stream, as the lane knows it. */
export interface LaneStream {
  /** A frame of this stream arrived. */
  receive(frame: Frame): void;
  /** The lane has a (new) connection: say again where this stream stands. */
  resume(): void;
  /** The guest takes more, after {@link Lane.whenWritable}. */
  writable(): void;
  /** The lane is gone for good. */
  fail(cause: unknown): void;
}

export interface LaneOptions {
  readonly path: string;
  readonly dial?: LaneDial;
  readonly number: number;
  readonly linkId: bigint;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** The memory of the capsule. */
  readonly buffer: CapsuleBuffer;
  readonly onActivity: () => void;
  /** The guest broke the protocol: the link is to be given up. */
  readonly onViolation: (cause: WrennError) => void;
  /** Operation that cancels a request of this lane, if it has one. */
  readonly cancelOperation?: number;
}

/**
 * One lane of the guest channel: reconnects by itself, and carries requests and streams across reconnects so that nothing
 * is lost and nothing happens twice.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #requests: Requests;
  readonly #streams = new Map<number, LaneStream>();
  /** Streams that have more to say than the guest takes at the moment. */
  readonly #waiting = new Set<LaneStream>();
  readonly #idle: IdleFrames;
  #ready = Promise.withResolvers<Welcome>();
  #connection: Connection | undefined;
  #synchronised = false;
  #synchronisedAt = 0;
  #broken = 0;
  #cause: unknown;
  #closed = false;
  #suspended = false;
  #received = 0;
  #retryMs = RECONNECT_MS;
  #retry: NodeJS.Timeout | undefined;
  #dial: LaneDial | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#dial = options.dial;
    this.#idle = new IdleFrames(options.clock);
    this.#requests = new Requests(
      {
        send: (id, op, answeredBelow, body) =>
          this.send((epoch) => guestChannel.encodeRequest(epoch, id, op, answeredBelow, body)),
        acknowledge: (below, pending) =>
          this.send((epoch) => guestChannel.encodeAnswered(epoch, below, pending)),
        // A stream may have been attached before the guest knew of it.
        caughtUp: () => {
          for (const stream of this.#streams.values()) stream.writable();
        },
        buffer: options.buffer,
      },
      options.cancelOperation,
    );
    this.#ready.promise.catch(() => {});
    this.#connect();
  }

  /** Resolves with the guest's first welcome, after {@link suspend} with the next one. */
  get ready(): Promise<Welcome> {
    return this.#ready.promise;
  }

  /** Sends a request of a user and waits for its answer, whatever happens to the connection meanwhile. */
  async request(op: number, body: Uint8Array, signal?: AbortSignal): Promise<guestChannel.BodyReader> {
    return await this.begin(op, body, signal).answer;
  }

  /**
   * The same of a request that the host itself makes: it is not refused because users ask too much, only when the guest has not
   * answered {@link ORDER_LIMIT} requests that were given up.
   */
  async ask(op: number, body: Uint8Array, signal?: AbortSignal): Promise<guestChannel.BodyReader> {
    this.#requireOpen();
    return await this.#requests.begin(op, body, signal, true).answer;
  }

  /**
   * Gives an order whose answer nobody waits for. A guest that is gone has forgotten everything anyway, and one that has not answered
   * {@link ORDER_LIMIT} requests answers none.
   */
  tell(op: number, body: Uint8Array): void {
    if (this.#closed || this.#requests.count >= ORDER_LIMIT) return;
    this.ask(op, body).catch((error: unknown) => {
      this.#options.logger.debug("guest.order_failed", { op, problem: problemOf(error) });
    });
  }

  /** Begins a request. @throws WrennError `guest_busy`, `guest_unreachable`; what ended the link. */
  begin(op: number, body: Uint8Array, signal?: AbortSignal): GuestRequest {
    this.#requireOpen();
    return this.#requests.begin(op, body, signal, false);
  }

  /** Frames for stream `id` go to `stream` from now on. */
  addStream(id: number, stream: LaneStream): void {
    this.#streams.set(id, stream);
  }

  removeStream(id: number): void {
    const stream = this.#streams.get(id);
    if (stream) this.#waiting.delete(stream);
    this.#streams.delete(id);
  }

  /**
   * Sends frames. False, and nothing is sent, while the lane has no connection, where {@link LaneStream.resume} follows, and while
   * the guest does not take what was sent before.
   */
  send(encode: (epoch: number) => readonly Uint8Array[]): boolean {
    const connection = this.#connection;
    if (!connection || !this.isWritable) return false;
    return this.#guarded(() => connection.send(encode(connection.epoch)));
  }

  /** Whether what is sent now is passed on. */
  get isWritable(): boolean {
    return this.#synchronised && this.#connection !== undefined && this.#connection.backlog < BACKLOG_BYTES;
  }

  /** Frames that have arrived. */
  get received(): number {
    return this.#received;
  }

  get isSuspended(): boolean {
    return this.#suspended;
  }

  /** Calls `stream.writable` when the guest takes more. */
  whenWritable(stream: LaneStream): void {
    if (this.#synchronised && !this.#closed) this.#waiting.add(stream);
  }

  /** Lets go of the guest, which keeps everything. */
  close(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cause = cause;
    clearTimeout(this.#retry);
    this.#connection?.close();
    this.#ready.reject(cause);
    this.#requests.fail(cause);
    this.#waiting.clear();
    for (const stream of this.#streams.values()) stream.fail(cause);
    this.#streams.clear();
  }

  /** Cuts the connection and makes no new one until {@link resume}. Requests and streams wait and lose nothing. */
  suspend(): void {
    if (this.#closed || this.#suspended) return;
    this.#suspended = true;
    this.#lose();
    clearTimeout(this.#retry);
    this.#ready = Promise.withResolvers<Welcome>();
    this.#ready.promise.catch(() => {});
    this.#connection?.close();
  }

  /** Greets the guest again: it may have lost its end of the connection, which shows here as silence. Nothing is lost by it. */
  greetAgain(): void {
    if (!this.#closed && !this.#suspended) this.#connection?.close();
  }

  /** Connects again to the same guest, which may have been restored in another machine. */
  resume(dial?: LaneDial): void {
    if (this.#closed || !this.#suspended) return;
    this.#suspended = false;
    this.#dial = dial;
    this.#retryMs = RECONNECT_MS;
    this.#connect();
  }

  #connect(): void {
    const { path, number, linkId, random, clock } = this.#options;
    const hello = { epoch: drawEpoch(random), nonce: random.bytes(16), linkId, lane: number };
    const events: ConnectionEvents = {
      onFrame: (frame) => this.#dispatch(frame),
      onDrain: () => void this.#guarded(() => this.#drained()),
      onClose: (cause) => {
        if (connection !== this.#connection) return;
        // Only the connection that ends now can have held.
        const heldMs = this.#synchronised ? clock.monotonic() - this.#synchronisedAt : 0;
        this.#lose();
        if (this.#closed || this.#suspended) return;
        if (WrennError.is(cause, "guest_protocol") && !this.#forgives(cause, heldMs)) return;
        this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
        this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MAX_MS);
      },
    };
    const connection = new Connection({ path, ...defined({ dial: this.#dial }) }, hello, events, clock);
    this.#connection = connection;
    connection.welcome.then(
      (welcome) => {
        if (connection !== this.#connection || this.#closed || this.#suspended) return;
        this.#synchronised = true;
        this.#synchronisedAt = clock.monotonic();
        this.#retryMs = RECONNECT_MS;
        const isResumed = this.#guarded(() => {
          this.#requests.resend();
          for (const stream of this.#streams.values()) stream.resume();
        });
        if (isResumed) this.#ready.resolve(welcome);
      },
      () => {},
    );
  }

  /** Whether the lane connects again after a connection that broke the framing; otherwise the link is given up. */
  #forgives(cause: WrennError, heldMs: number): boolean {
    const { logger, number, onViolation } = this.#options;
    logger.warn("guest.protocol_error", { lane: number, problem: cause.message });
    if (heldMs > SOUND_MS) this.#broken = 0;
    if (++this.#broken < BROKEN_CONNECTIONS) return true;
    onViolation(cause);
    return false;
  }

  #lose(): void {
    this.#synchronised = false;
    this.#waiting.clear();
  }

  #drained(): void {
    this.#requests.flush();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of waiting) stream.writable();
  }

  #dispatch(frame: Frame): void {
    if (this.#closed) return;
    this.#received++;
    this.#options.onActivity();
    let isUseful = true;
    // Frames are whole and of this connection here: no cut explains a violation.
    this.#guarded(() => (isUseful = this.#deliver(frame)));
    if (isUseful) return;
    const restMs = this.#idle.count();
    if (restMs > 0) this.#connection?.rest(restMs, this.#options.clock).catch(() => {});
  }

  /**
   * Does what may be led by bytes of the guest; whether it was done. Nothing that it throws reaches an event, where it would end the
   * process: the link is given up, because another connection to the same guest would meet the same.
   */
  #guarded(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      const isViolation = WrennError.is(error, "guest_protocol");
      this.#options.onViolation(
        isViolation
          ? error
          : new WrennError("guest_protocol", { problem: problemOf(error) }, { cause: error }),
      );
      return false;
    }
  }

  /** Whether something here waits for the frame. @throws WrennError `guest_protocol`. */
  #deliver(frame: Frame): boolean {
    if (frame.type === guestChannel.frameType.response) return this.#requests.receive(frame);
    const stream = this.#streams.get(frame.id);
    stream?.receive(frame);
    return stream !== undefined;
  }

  #requireOpen(): void {
    if (this.#closed) throw this.#cause;
    this.#options.onActivity();
  }
}

function drawEpoch(random: Random): number {
  for (;;) {
    const epoch = Buffer.from(random.bytes(4)).readUInt32LE();
    if (epoch !== 0 && epoch !== 0xff_ff_ff_ff) return epoch;
  }
}
