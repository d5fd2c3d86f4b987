import { errorOfMessage, parseMessage } from "../errors/error-of-message.ts";
import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, orAborted } from "../transport/abort.ts";
import type { ConnectionSettings } from "../transport/connection.ts";
import { openSocket } from "../transport/socket.ts";
import type { Socket } from "../transport/socket.ts";
import type { FirstMessage, ServerMessage } from "./terminal-messages.ts";

/** Sub-protocol of the server for binary output and errors with codes. */
const PROTOCOL = "wrenn.pty.binary";
/** How often a server sends pings that does not say so. */
const PING_MS = 15_000;

/** What one connection is used for. */
export interface TerminalConnectionOptions {
  readonly settings: ConnectionSettings;
  readonly path: string;
  readonly first: FirstMessage;
  readonly signal: AbortSignal;
  /** Every message except the last one. */
  readonly onMessage: (message: ServerMessage) => void;
  readonly onOutput: (bytes: Uint8Array) => void;
}

/** How the program of a terminal ended. */
export interface TerminalExit {
  /** The program's own, or 128 + the number of the signal. */
  readonly exitCode: number;
  /** Number of the signal that ended it. */
  readonly signal?: number;
}

/** One connection to a terminal. A connection on which nothing arrives for too long counts as broken. */
export class TerminalConnection {
  readonly #options: TerminalConnectionOptions;
  #socket: Socket | undefined;
  #silenceMs: number;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #startedAt: number | undefined;
  #hasProgress = false;
  #settle: (outcome: TerminalExit | WrennError) => void = () => undefined;
  readonly #outcome: Promise<TerminalExit | WrennError>;

  constructor(options: TerminalConnectionOptions) {
    this.#options = options;
    this.#silenceMs = options.settings.silenceMs;
    this.#outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Whether the terminal was reached, and not for a moment only. */
  get isProgress(): boolean {
    return this.#startedAt !== undefined && (this.#hasProgress || performance.now() - this.#startedAt > 1000);
  }

  get isStarted(): boolean {
    return this.#startedAt !== undefined;
  }

  /**
   * Connects, and resolves with the exit of the program.
   *
   * @throws WrennError that ended the connection; the signal's reason.
   */
  async run(): Promise<TerminalExit> {
    const { settings, path, first, signal } = this.#options;
    const link = linkSignals(signal);
    try {
      this.#heard();
      const opening = openSocket(
        settings,
        { path, protocols: [PROTOCOL], signal: link.signal },
        { onMessage: (data) => this.#receive(data), onEnd: ({ reason }) => this.#settle(lost(reason)) },
      );
      // An error may arrive while the socket opens, and silence ends the wait.
      const opened = opening.then((socket) => {
        this.#socket = socket;
        socket.send(JSON.stringify(first));
      });
      const ended = Promise.race([this.#outcome, opened.then(() => this.#outcome)]);
      const outcome = await orAborted(ended, signal);
      if (outcome instanceof WrennError) throw outcome;
      return outcome;
    } finally {
      clearTimeout(this.#silence);
      // Closes the socket, also one that is not open yet.
      link.abort(CLOSED);
      link.release();
    }
  }

  /** Ends it as if it had broken. */
  drop(): void {
    this.#settle(lost("it was replaced"));
  }

  /** Ignored while there is no connection. */
  send(message: object | Uint8Array<ArrayBuffer>): void {
    this.#socket?.send(message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  #receive(data: string | Uint8Array): void {
    this.#heard();
    if (typeof data !== "string") {
      this.#hasProgress = true;
      this.#options.onOutput(data);
      return;
    }
    try {
      this.#handle(parseMessage(data) as ServerMessage);
    } catch (error) {
      this.#settle(error instanceof WrennError ? error : lost(String(error)));
    }
  }

  #handle(message: ServerMessage): void {
    if (message.type === "exit") {
      const { exit_code: exitCode, signal } = message;
      this.#settle(signal === undefined ? { exitCode } : { exitCode, signal });
    } else if (message.type === "error") this.#settle(errorOfMessage(message));
    else {
      if (message.type === "started") {
        this.#startedAt = performance.now();
        this.#silenceMs = Math.max(this.#silenceMs, 2 * (message.ping_ms ?? PING_MS));
        this.#heard();
      } else if (message.type === "input_ack") this.#hasProgress = true;
      this.#options.onMessage(message);
    }
  }

  #heard(): void {
    clearTimeout(this.#silence);
    const ms = this.#silenceMs;
    this.#silence = setTimeout(() => this.#settle(this.#silent(ms)), ms);
  }

  #silent(ms: number): WrennError {
    if (this.#socket) return lost(`nothing arrived for ${ms} ms`);
    return new WrennError({
      code: "connection_failed",
      message: `a WebSocket to ${this.#options.settings.url} did not open within ${ms} ms`,
      remedy: "Check that the server runs, and that proxies between here and the server pass WebSockets on.",
    });
  }
}

const CLOSED = new Error("the connection was closed");

function lost(problem: string): WrennError {
  return new WrennError({
    code: "connection_lost",
    message: `the connection to the terminal broke${problem === "" ? "" : `: ${problem}`}`,
    remedy: "Check the network between here and the server.",
  });
}
