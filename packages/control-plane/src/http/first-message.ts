import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";

/** Credentials have at most 8 KiB. */
const FIRST_BYTES = 16 << 10;
/** RFC 6455 §7.4.1: a message that is too big. */
const TOO_BIG = 1009;
/** A refused client has this long to read why; what else it sent is left unread. */
const REFUSED_MS = 1000;

/**
 * Bounds what is kept of a WebSocket's input until its client is authenticated. Beyond the first bytes the socket is left unread while
 * credentials are looked up, and ends when no credentials can follow. Authenticated clients have no such bound.
 */
export class FirstBytes {
  readonly #socket: WebSocket;
  readonly #connection: Duplex;
  #received = 0;
  /** Credentials that arrived and may still turn out to be valid: those of the header, and the first message. */
  #candidates: number;
  /** No other credentials are accepted; the session sends the error. */
  #isRefused = false;
  #end: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, connection: Duplex, hasHeader: boolean) {
    this.#socket = socket;
    this.#connection = connection;
    this.#candidates = hasHeader ? 1 : 0;
    // After the WebSocket's own listener, so that a message that the bytes complete has been seen.
    connection.on("data", this.#count);
    socket.once("message", this.#onMessage);
    socket.once("close", () => {
      this.#stop();
      clearTimeout(this.#end);
    });
  }

  /**
   * Checks the credentials of the header or of the first message, and lifts the bound when they are valid.
   *
   * @param isFinal - whether no other credentials are accepted after this error.
   */
  async check<T>(credentials: () => Promise<T>, isFinal: (error: unknown) => boolean): Promise<T> {
    try {
      const result = await credentials();
      this.#stop();
      if (this.#received > FIRST_BYTES) this.#socket.resume();
      return result;
    } catch (error) {
      this.#candidates -= 1;
      if (isFinal(error)) this.#isRefused = true;
      this.#bound();
      throw error;
    }
  }

  readonly #count = (chunk: Buffer): void => {
    this.#received += chunk.length;
    this.#bound();
  };

  readonly #onMessage = (): void => {
    this.#candidates += 1;
  };

  #bound(): void {
    if (this.#received <= FIRST_BYTES) return;
    if (this.#isRefused) {
      this.#socket.pause();
      this.#end ??= setTimeout(() => this.#socket.terminate(), REFUSED_MS).unref();
    } else if (this.#candidates > 0) {
      this.#socket.pause();
    } else {
      this.#stop();
      this.#socket.close(TOO_BIG, "the first message is too long");
      this.#socket.terminate();
    }
  }

  #stop(): void {
    this.#connection.off("data", this.#count);
    this.#socket.off("message", this.#onMessage);
  }
}
