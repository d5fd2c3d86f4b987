import type { Duplex } from "node:stream";
import { abortable, Bell } from "@wrenn/core";
import type { RawData, WebSocket } from "ws";
import type { ReadAhead, ReadAheadShare } from "./read-ahead.ts";

/** What may wait in the socket before a sender waits. */
const OUTBOUND_HIGH = 256 << 10;
/** What a session counts for at least: it may always hold this much. */
export const SESSION_BYTES = 128 << 10;
/** A client that takes nothing for this long is given up. */
export const STALL_MS = 10 * 60_000;
/** Keeps intermediaries from closing a quiet connection; dead peers are found by TCP keep-alive. */
const PING_MS = 30_000;
/** While a socket is left unread, pings find out that the client is gone: its system answers the first with a reset, and the second fails. */
const UNREAD_PING_MS = 1000;

/** A client that was cut off has this long to read why. */
const CUT_MS = 1000;

/** Close codes of RFC 6455 §7.4.1 and the IANA registry. */
export const closeCode = { done: 1000, policy: 1008, failure: 1011, overload: 1013 } as const;

/** One frame of a client: JSON text, or bytes. Text that is no JSON is `undefined`. */
export type Inbound =
  | { readonly type: "json"; readonly value: unknown }
  | { readonly type: "bytes"; readonly bytes: Buffer };

/** Keeps account of the memory of a session. */
export interface SessionMemory {
  reserve(bytes: number): boolean;
  account(bytes: number): boolean;
}

/** A WebSocket as a session sees it: frames one after the other, sends that wait, one orderly end. */
export class ClientSocket {
  /** Aborts when the connection is gone or given up. */
  readonly closed: AbortSignal;
  readonly #socket: WebSocket;
  readonly #inbound: Buffer[] = [];
  readonly #binary: boolean[] = [];
  readonly #ahead: ReadAheadShare;
  /** Rings when a frame arrives, and at the end. */
  readonly #arrivals = new Bell();
  #onUnread: () => void = () => undefined;
  #memory: SessionMemory | undefined;
  /** Bytes of a message that has not arrived as a whole. */
  #partial = 0;
  #hasArrived = false;
  /** Whether the client has sent a frame. */
  #hasSent = false;
  readonly #gone = new AbortController();
  readonly #ping: NodeJS.Timeout;
  #unreadPing: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, readAhead: ReadAhead) {
    this.#socket = socket;
    this.#ahead = readAhead.open(() => this.#readOn());
    this.closed = this.#gone.signal;
    socket.on("message", (data: RawData, isBinary: boolean) => this.#take(data as Buffer, isBinary));
    socket.on("error", () => {
      // A broken frame or connection: `close` follows.
    });
    socket.on("ping", (data: Buffer) => {
      if (socket.bufferedAmount <= OUTBOUND_HIGH) socket.pong(data);
    });
    socket.once("close", () => this.#end());
    this.#ping = setInterval(() => socket.ping(), PING_MS);
    this.#ping.unref();
  }

  /** The next frame, or `undefined` once the client is gone. @throws the signal's reason. */
  async receive(signal: AbortSignal): Promise<Inbound | undefined> {
    for (;;) {
      const frame = this.#inbound.shift();
      if (frame) {
        const binary = this.#binary.shift() ?? false;
        this.#ahead.give(frame.length);
        return binary ? { type: "bytes", bytes: frame } : { type: "json", value: parse(frame) };
      }
      if (this.closed.aborted) return undefined;
      await abortable(signal, this.#arrivals.next);
    }
  }

  /**
   * From now on what the session holds is counted: messages that wait, one that is not complete, and what the client has not taken.
   * Without room the client is read and sent less. One that sends a large message then, which no reading on would free, is closed.
   *
   * @returns whether there is room for the session.
   */
  charge(memory: SessionMemory, connection: Duplex): boolean {
    if (!memory.reserve(SESSION_BYTES)) return false;
    this.#memory = memory;
    this.#ahead.limitBy(() => this.#fits());
    // After the WebSocket's own listener: what it has made of the bytes is known.
    connection.on("data", ({ length }: Buffer) => {
      this.#partial = this.#hasArrived ? 0 : this.#partial + length;
      this.#hasArrived = false;
      if (this.#fits() || this.#ahead.used > 0 || this.#partial < SESSION_BYTES / 2) return;
      this.#socket.close(closeCode.overload, "there is no memory for so large a message");
      this.#socket.terminate();
    });
    return true;
  }

  /** Waits for the client's first frame; at most this long, and not after the end. */
  async settle(ms: number): Promise<void> {
    if (this.#hasSent || this.closed.aborted) return;
    const over = AbortSignal.timeout(ms);
    try {
      while (!this.#hasSent && !this.closed.aborted) await abortable(over, this.#arrivals.next);
    } catch (error) {
      if (!over.aborted) throw error;
    }
  }

  /** From now on much more is read ahead, so that what follows input is noticed before the input is taken. */
  expectInput(): void {
    this.#ahead.extend();
  }

  /** A message that was received still waits, and counts as read ahead until {@link release}. */
  hold(bytes: number): void {
    this.#ahead.take(bytes);
    this.#pauseIfFull();
  }

  release(bytes: number): void {
    this.#ahead.give(bytes);
  }

  /** Whether the client has sent so much ahead that nothing of it is read at the moment, acknowledgements included. */
  get unread(): boolean {
    return this.#socket.isPaused;
  }

  /** Calls `listener` whenever {@link unread} becomes true. */
  onUnread(listener: () => void): void {
    this.#onUnread = listener;
  }

  /** Sends a JSON message; waits while the client is slow. Nothing happens once the client is gone. */
  async send(message: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#write(JSON.stringify(message));
  }

  /** Sends a message whose text is encoded already; like {@link send} otherwise. */
  async sendText(utf8: Buffer): Promise<void> {
    await this.#write(utf8, false);
  }

  /** Sends a binary frame. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes);
  }

  /** Forgets what was received and is not taken: the session is over. */
  discard(): void {
    for (const { length } of this.#inbound.splice(0)) this.#ahead.give(length);
    this.#binary.length = 0;
  }

  /** Ends the session in an orderly way. */
  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#end();
    this.#readOn();
  }

  /**
   * Ends the session for a client that may not go on: nothing that it sent and that is not taken is taken, and a client that does not
   * close the connection loses it.
   */
  cut(message: Readonly<Record<string, unknown>>, code: number, reason: string): void {
    if (this.closed.aborted) return;
    this.discard();
    this.#socket.send(JSON.stringify(message), () => undefined);
    this.close(code, reason);
    setTimeout(() => this.#socket.terminate(), CUT_MS).unref();
  }

  async #write(data: string | Uint8Array, binary = typeof data !== "string"): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.send(data, { binary }, () => {
      this.#fits();
      resolve();
    });
    if (this.#fits() && this.#socket.bufferedAmount <= OUTBOUND_HIGH) return;
    const stalled = setTimeout(() => this.#giveUp(), STALL_MS);
    // Also called when the connection breaks.
    await promise;
    clearTimeout(stalled);
  }

  /** Counts what the session holds. */
  #fits(): boolean {
    const held = this.#ahead.used + this.#partial + this.#socket.bufferedAmount;
    return this.#memory?.account(Math.max(SESSION_BYTES, held)) ?? true;
  }

  #giveUp(): void {
    this.#socket.close(closeCode.overload, "nothing was read for too long");
    this.#socket.terminate();
  }

  #take(data: Buffer, isBinary: boolean): void {
    // After the end only the client's Close frame matters.
    if (this.closed.aborted) return;
    this.#hasArrived = true;
    this.#hasSent = true;
    this.#partial = 0;
    this.#inbound.push(data);
    this.#binary.push(isBinary);
    this.#ahead.take(data.length);
    this.#pauseIfFull();
    this.#arrivals.ring();
  }

  #pauseIfFull(): void {
    if (this.#socket.isPaused || this.closed.aborted || !this.#ahead.full) return;
    this.#socket.pause();
    clearInterval(this.#unreadPing);
    this.#unreadPing = setInterval(() => this.#socket.ping(), UNREAD_PING_MS).unref();
    this.#onUnread();
  }

  #readOn(): void {
    clearInterval(this.#unreadPing);
    this.#socket.resume();
  }

  #end(): void {
    clearInterval(this.#ping);
    clearInterval(this.#unreadPing);
    this.#ahead.close();
    this.#gone.abort(new Error("the client is gone"));
    this.#arrivals.ring();
  }
}

function parse(frame: Buffer): unknown {
  try {
    return JSON.parse(frame.toString("utf8"));
  } catch {
    return undefined;
  }
}
