import { WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame, Welcome } from "@wrenn/protocol";
import { Connection } from "./connection.ts";
import type { ConnectionEvents } from "./connection.ts";
import { Requests } from "./requests.ts";

const RECONNECT_MS = 20;
const RECONNECT_MAX_MS = 1000;

/** One direction of a stream, as the lane knows it. */
export interface LaneStream {
  /** A frame of this stream arrived. */
  receive(frame: Frame): void;
  /** The lane has a (new) connection: say again where this stream stands. */
  resume(): void;
  /** The lane is gone for good. */
  fail(cause: unknown): void;
}

export interface LaneOptions {
  readonly path: string;
  readonly number: number;
  readonly linkId: bigint;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly onActivity: () => void;
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
  #ready = Promise.withResolvers<Welcome>();
  #connection: Connection | undefined;
  #synchronised = false;
  #closed = false;
  #suspended = false;
  #retryMs = RECONNECT_MS;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#requests = new Requests(
      {
        send: (id, op, answeredBelow, body) =>
          this.send((epoch) => guestChannel.encodeRequest(epoch, id, op, answeredBelow, body)),
        acknowledge: (below, pending) =>
          this.send((epoch) => guestChannel.encodeAnswered(epoch, below, pending)),
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

  /** Sends a request and waits for its answer, whatever happens to the connection meanwhile. */
  async request(op: number, body: Uint8Array, signal?: AbortSignal): Promise<guestChannel.BodyReader> {
    if (this.#closed) throw unreachable("the guest channel is closed");
    this.#options.onActivity();
    return await this.#requests.send(op, body, signal);
  }

  /** Frames for stream `id` go to `stream` from now on. */
  addStream(id: number, stream: LaneStream): void {
    this.#streams.set(id, stream);
  }

  removeStream(id: number): void {
    this.#streams.delete(id);
  }

  /** Sends frames if the lane is connected; what they say is said again by {@link LaneStream.resume} otherwise. */
  send(encode: (epoch: number) => readonly Uint8Array[]): void {
    if (this.#connection && this.#synchronised) this.#connection.send(encode(this.#connection.epoch));
  }

  /** Whether what is sent now reaches a connection. */
  get connected(): boolean {
    return this.#connection !== undefined && this.#synchronised;
  }

  /** Bytes on their way to the guest that the kernel has not taken. */
  get backlog(): number {
    return this.#connection?.backlog ?? 0;
  }

  /** Lets go of the guest, which keeps everything. */
  close(cause: unknown = unreachable("the guest channel is closed")): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.close();
    this.#ready.reject(cause);
    this.#requests.fail(cause);
    for (const stream of this.#streams.values()) stream.fail(cause);
    this.#streams.clear();
  }

  /** Cuts the connection and makes no new one until {@link resume}. Requests and streams wait and lose nothing. */
  suspend(): void {
    if (this.#closed || this.#suspended) return;
    this.#suspended = true;
    this.#synchronised = false;
    clearTimeout(this.#retry);
    this.#ready = Promise.withResolvers<Welcome>();
    this.#ready.promise.catch(() => {});
    this.#connection?.close();
  }

  /** Connects again to the same guest, which may have been restored in another machine. */
  resume(): void {
    if (this.#closed || !this.#suspended) return;
    this.#suspended = false;
    this.#retryMs = RECONNECT_MS;
    this.#connect();
  }

  #connect(): void {
    const { path, number, linkId, random, logger, clock } = this.#options;
    const hello = { epoch: drawEpoch(random), nonce: random.bytes(16), linkId, lane: number };
    const events: ConnectionEvents = {
      onFrame: (frame) => this.#dispatch(frame),
      onClose: (cause) => {
        this.#synchronised = false;
        if (this.#closed || this.#suspended || connection !== this.#connection) return;
        if (WrennError.is(cause, "guest_protocol"))
          logger.warn("guest.protocol_error", { lane: number, problem: cause.message });
        this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
        this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MAX_MS);
      },
    };
    const connection = new Connection(path, hello, events, clock);
    this.#connection = connection;
    connection.welcome.then(
      (welcome) => {
        this.#synchronised = true;
        this.#retryMs = RECONNECT_MS;
        this.#requests.resend();
        for (const stream of this.#streams.values()) stream.resume();
        this.#ready.resolve(welcome);
      },
      () => {},
    );
  }

  #dispatch(frame: Frame): void {
    this.#options.onActivity();
    if (frame.type === guestChannel.frameType.response) this.#requests.receive(frame);
    else this.#streams.get(frame.id)?.receive(frame);
  }
}

function drawEpoch(random: Random): number {
  for (;;) {
    const epoch = Buffer.from(random.bytes(4)).readUInt32LE();
    if (epoch !== 0 && epoch !== 0xff_ff_ff_ff) return epoch;
  }
}

function unreachable(problem: string): WrennError {
  return new WrennError("guest_unreachable", { problem });
}
