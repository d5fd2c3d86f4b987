import { errorOfMessage, parseMessage } from "../errors/error-of-message.ts";
import type { ErrorMessage } from "../errors/error-of-message.ts";
import { WrennError } from "../errors/wrenn-error.ts";
import { orAborted } from "../transport/abort.ts";
import type { ConnectionSettings } from "../transport/connection.ts";
import { openSocket } from "../transport/socket.ts";
import type { Socket } from "../transport/socket.ts";

/** Sub-protocol of the server for errors with codes. */
const PROTOCOL = "wrenn.port.tunnel";
/** The largest message that is sent. */
const MESSAGE_BYTES = 64 << 10;
/** The server learns of what was read in pieces of this size. */
const ACKNOWLEDGED = 64 << 10;

/** A TCP connection to a service in a capsule. Each direction ends on its own. */
export interface PortConnection {
  /** What the service sends. It errors when the connection breaks; cancelling it ends the connection. */
  readonly readable: ReadableStream<Uint8Array>;
  /** To the service. Closing it ends this direction only; aborting it ends the connection. */
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when both directions have ended. @throws WrennError that broke the connection. */
  readonly closed: Promise<void>;
  /** Ends the connection at once. */
  readonly close: () => void;
}

type ServerMessage =
  | { readonly type: "open"; readonly window: number }
  | { readonly type: "ack"; readonly bytes: number }
  | { readonly type: "end" }
  | ErrorMessage;

/** @throws WrennError `port_not_listening`, `connection_failed` and others of the server; the signal's reason. */
export async function connectToPort(
  settings: ConnectionSettings,
  path: string,
  signal: AbortSignal | undefined,
): Promise<PortConnection> {
  const tunnel = new Tunnel();
  const socket = await openSocket(
    settings,
    { path, protocols: [PROTOCOL], signal },
    { onMessage: tunnel.onMessage, onEnd: ({ reason }) => tunnel.onEnd(reason) },
  );
  tunnel.useSocket(socket);
  try {
    await orAborted(tunnel.opened, signal);
  } catch (error) {
    tunnel.close();
    throw error;
  }
  return tunnel;
}

class Tunnel implements PortConnection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #opened = new Settled();
  readonly #closed = new Settled();
  #socket: Socket | undefined;
  #reader: ReadableStreamDefaultController<Uint8Array> | undefined;
  #writer: WritableStreamDefaultController | undefined;
  /** Bytes that the service has not taken and that may be on their way. */
  #window = 0;
  #sent = 0;
  #taken = 0;
  #onRoom: () => void = () => undefined;
  /** Bytes that arrived, and those of them that were read. */
  #received = 0;
  #reported = 0;
  #isReadEnded = false;
  #isWriteEnded = false;
  #isOver = false;

  constructor() {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#reader = controller),
        pull: () => this.#acknowledge(),
        cancel: () => this.close(),
      },
      // What waits is bounded by the window of the server.
      { highWaterMark: 1, size: (bytes) => bytes?.byteLength ?? 0 },
    );
    this.writable = new WritableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#writer = controller;
          // A write that waits for room would hold the abort back, which has errored the stream already.
          controller.signal.addEventListener("abort", () => {
            this.#writer = undefined;
            this.close();
          });
        },
        write: async (bytes) => await this.#write(bytes),
        close: () => {
          this.#isWriteEnded = true;
          this.#send({ type: "end" });
          this.#endIfBoth();
        },
      },
      { highWaterMark: MESSAGE_BYTES, size: (bytes) => bytes?.byteLength ?? 0 },
    );
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  useSocket(socket: Socket): void {
    this.#socket = socket;
    if (this.#isOver) socket.close();
  }

  readonly close = (): void => {
    this.#fail(new WrennError({ code: "connection_lost", message: "the connection to the port was closed" }));
  };

  readonly onMessage = (data: string | Uint8Array): void => {
    if (this.#isOver) return;
    if (typeof data !== "string") {
      this.#received += data.length;
      this.#reader?.enqueue(data);
      this.#acknowledge();
      return;
    }
    try {
      this.#handle(parseMessage(data) as ServerMessage);
    } catch (error) {
      this.#fail(error);
    }
  };

  readonly onEnd = (reason: string): void => {
    if (this.#isReadEnded && this.#isWriteEnded) this.#finish();
    else this.#fail(lost(reason));
  };

  #handle(message: ServerMessage): void {
    if (message.type === "error") throw errorOfMessage(message);
    if (message.type === "open") {
      this.#window = message.window;
      this.#opened.resolve();
    } else if (message.type === "ack") {
      this.#taken = message.bytes;
      this.#onRoom();
    } else if (message.type === "end") {
      this.#isReadEnded = true;
      this.#reader?.close();
      this.#endIfBoth();
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const room = this.#window - (this.#sent - this.#taken);
      if (room <= 0) {
        await new Promise<void>((resolve) => (this.#onRoom = resolve));
        if (this.#isOver) throw lost("");
        continue;
      }
      // A copy: the bytes may change before they are sent.
      const piece = Uint8Array.from(bytes.subarray(at, at + Math.min(room, MESSAGE_BYTES)));
      this.#sent += piece.length;
      at += piece.length;
      this.#socket?.send(piece);
    }
  }

  /** What was read is what arrived and does not wait in the stream. */
  #acknowledge(): void {
    const waiting = 1 - (this.#reader?.desiredSize ?? 1);
    const read = this.#received - Math.max(0, waiting);
    if (read - this.#reported < ACKNOWLEDGED) return;
    this.#reported = read;
    this.#send({ type: "ack", bytes: read });
  }

  #send(message: object): void {
    if (!this.#isOver) this.#socket?.send(JSON.stringify(message));
  }

  /** The server closes next; nothing of the connection is left. */
  #endIfBoth(): void {
    if (this.#isReadEnded && this.#isWriteEnded) this.#closed.resolve();
  }

  #finish(): void {
    this.#isOver = true;
    this.#closed.resolve();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#opened.reject(error);
    this.#closed.reject(error);
    if (!this.#isReadEnded) this.#reader?.error(error);
    if (!this.#isWriteEnded) this.#writer?.error(error);
    this.#onRoom();
    this.#socket?.close();
  }
}

/** A promise that is settled from outside; a rejection needs no listener. */
class Settled {
  resolve: () => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;
  readonly promise: Promise<void>;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => undefined);
  }
}

function lost(reason: string): WrennError {
  return new WrennError({
    code: "connection_lost",
    message: `the connection to the port broke${reason === "" ? "" : `: ${reason}`}`,
    remedy: "Check the network between here and the server.",
  });
}
