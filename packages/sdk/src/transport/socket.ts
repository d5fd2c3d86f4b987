import { WrennError } from "../errors/wrenn-error.ts";
import { orAborted } from "./abort.ts";
import { credentialHeaders } from "./connection.ts";
import type { ConnectionSettings } from "./connection.ts";
import { socketFailed } from "./connection-failed.ts";
import { platform } from "./platform.ts";

export interface SocketRequest {
  /** Begins with a slash, with its query. */
  readonly path: string;
  readonly protocols?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** How a connection ended. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
}

export interface SocketListener {
  /** May be called before {@link openSocket} resolves: a server may speak first. */
  readonly onMessage: (data: string | Uint8Array) => void;
  /** Called once, unless {@link openSocket} rejects. Codes are those of RFC 6455; 1006 is a connection that broke. */
  readonly onEnd: (end: SocketEnd) => void;
}

/** An open WebSocket with credentials. */
export interface Socket {
  /** Ignored when the connection has ended. */
  readonly send: (data: string | Uint8Array<ArrayBuffer>) => void;
  /** Bytes that wait in this process, as far as the runtime tells. */
  readonly bufferedAmount: () => number;
  /** The sub-protocol that the server chose, or empty. */
  readonly protocol: string;
  /** Nothing is received from now on; the listener is not called. */
  readonly close: () => void;
}

/**
 * Opens a WebSocket. Credentials are sent with the upgrade, or, where the runtime cannot set headers, as the first message.
 *
 * @throws WrennError `connection_failed`, or that of the server's refusal where the runtime tells it; the signal's reason. An abort
 * after the socket is open closes it.
 */
export async function openSocket(
  settings: ConnectionSettings,
  { path, protocols = [], signal }: SocketRequest,
  listener: SocketListener,
): Promise<Socket> {
  signal?.throwIfAborted();
  const { openWebSocket } = platform();
  const url = settings.url.replace(/^http/, "ws") + path;
  const credentials = await credentialHeaders(settings);
  const headers = { prefer: "handling=strict", ...settings.headers, ...credentials };
  let connection: Connection | undefined;
  try {
    const opening = openWebSocket
      ? openWebSocket(url, protocols, headers, settings)
      : Promise.resolve(new WebSocket(url, [...protocols]));
    // Messages arrive in later tasks.
    const connecting = opening.then((socket) => new Connection(socket, listener));
    // One that opens after an abort is closed.
    connecting.then((late) => signal?.aborted === true && late.close(), ignore);
    connection = await orAborted(connecting, signal);
    await orAborted(connection.opened, signal);
  } catch (error) {
    connection?.close();
    signal?.throwIfAborted();
    if (error instanceof WrennError) throw error;
    throw await socketFailed(settings, path, error);
  }
  connection.closeOn(signal);
  if (!openWebSocket) connection.send(JSON.stringify(firstMessage(credentials)));
  return connection;
}

/** `WebSocket.OPEN`, which not every runtime has as a constant. */
const OPEN = 1;

const ignore = (): void => undefined;

/** A WebSocket, whose events are heard from the beginning: some runtimes fire the first ones together with `open`. */
class Connection implements Socket {
  readonly opened: Promise<void>;
  readonly #socket: WebSocket;
  #isOver = false;
  #stopFollowing: () => void = ignore;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, { onMessage, onEnd }: SocketListener) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    let isOpen = false;
    this.opened = new Promise((resolve, reject) => {
      const onOpen = (): void => {
        isOpen = true;
        resolve();
      };
      // A port that browsers refuse fails before there are listeners.
      if (socket.readyState > OPEN) reject(new Error("refused"));
      else if (socket.readyState === OPEN) onOpen();
      else socket.addEventListener("open", onOpen, { once: true });
      socket.addEventListener("error", (event) => reject(problemOfEvent(event)));
      socket.addEventListener(
        "close",
        ({ code, reason }) => {
          const wasOver = this.#isOver;
          clearTimeout(this.#closing);
          this.#end();
          if (!isOpen) reject(new Error(reason));
          else if (!wasOver) onEnd({ code, reason });
        },
        { once: true },
      );
    });
    this.opened.catch(ignore);
    socket.addEventListener("message", ({ data }: { readonly data: string | ArrayBuffer }) => {
      if (!this.#isOver) onMessage(typeof data === "string" ? data : new Uint8Array(data));
    });
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  readonly bufferedAmount = (): number => (this.#isOver ? 0 : (this.#socket.bufferedAmount ?? 0));

  readonly send = (data: string | Uint8Array<ArrayBuffer>): void => {
    if (!this.#isOver && this.#socket.readyState === OPEN) this.#socket.send(data);
  };

  readonly close = (): void => {
    if (this.#isOver) return;
    this.#end();
    // A server that is gone would hold the process until the system gives the connection up.
    this.#closing = setTimeout(() => platform().terminate?.(this.#socket), CLOSE_MS);
    try {
      this.#socket.close(NORMAL);
    } catch {
      // A runtime may refuse to close what is not open yet; what opens then has no listener.
      this.#socket.addEventListener("open", () => this.#socket.close(), { once: true });
    }
  };

  closeOn(signal: AbortSignal | undefined): void {
    if (!signal) return;
    if (signal.aborted) return this.close();
    signal.addEventListener("abort", this.close);
    this.#stopFollowing = () => signal.removeEventListener("abort", this.close);
  }

  #end(): void {
    this.#isOver = true;
    this.#stopFollowing();
  }
}

/** Close code of RFC 6455 §7.4.1 with which clients leave. */
const NORMAL = 1000;
/** A server answers a Close within this time, or its connection is ended. */
const CLOSE_MS = 500;

function firstMessage(credentials: Readonly<Record<string, string>>): object {
  const { "x-api-key": apiKey, authorization } = credentials;
  return apiKey === undefined
    ? { type: "auth", token: authorization?.replace(/^Bearer /, "") }
    : { type: "auth", api_key: apiKey };
}

/** What a runtime says about a failure: an error, a text or nothing. */
function problemOfEvent(event: Event): unknown {
  const { error, message = "" } = event as { readonly error?: unknown; readonly message?: string };
  return error ?? new Error(message);
}
