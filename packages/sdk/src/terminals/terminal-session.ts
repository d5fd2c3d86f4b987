import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, sleep } from "../transport/abort.ts";
import { problemOf } from "../transport/answer.ts";
import type { ConnectionSettings } from "../transport/connection.ts";
import { backoffMs } from "../transport/retry.ts";
import { TerminalConnection } from "./terminal-connection.ts";
import type { TerminalExit } from "./terminal-connection.ts";
import { TerminalInput } from "./terminal-input.ts";
import type { FirstMessage, ServerMessage } from "./terminal-messages.ts";
import { TerminalOutput } from "./terminal-output.ts";

/** What identifies a terminal in its capsule. */
export interface TerminalFacts {
  readonly tag: string;
  readonly pid: number;
}

interface Size {
  readonly cols: number;
  readonly rows: number;
}

/** What the user of a terminal is shown of its connections. */
export interface TerminalListener {
  /**
   * Called with false when the connection broke and is made again, and with true when it is there again: what a user is shown while
   * nothing answers. It must not throw.
   */
  readonly onConnection?: ((isConnected: boolean) => void) | undefined;
  /**
   * Called when the server was killed and whether this many bytes of input arrived is unknown. They are not sent again, and what is
   * written next is. Without it, the writable fails. It must not throw.
   */
  readonly onUnknownInput?: ((bytes: number) => void) | undefined;
  /**
   * Called with the size that the output behind it was printed at, in its place between the chunks that are read: first with that of the
   * beginning, then with each that this or another client sets. It must not throw.
   */
  readonly onResized?: ((cols: number, rows: number) => void) | undefined;
  /** Called in the place of output that the server no longer had, with its length in bytes. It must not throw. */
  readonly onDropped?: ((bytes: number) => void) | undefined;
}

/** How long a detaching client waits until the terminal has taken its input. */
const DETACH_MS = 2000;
/** The same while the terminal confirms none of it: a server that does not answer does not delay the caller. */
const DETACH_SILENCE_MS = 400;

/** The use of one terminal over as many connections as it takes. */
export class TerminalSession {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  /** Resolves when the terminal was reached for the first time. */
  readonly started: Promise<TerminalFacts>;
  /** Resolves with the exit of the program. */
  readonly ended: Promise<TerminalExit>;
  readonly #settings: ConnectionSettings;
  readonly #path: string;
  readonly #first: FirstMessage;
  readonly #over = new AbortController();
  #connection: TerminalConnection | undefined;
  readonly #onConnection: ((isConnected: boolean) => void) | undefined;
  #isConnected = true;
  /** Ends the wait before the next attempt. */
  #wake = new AbortController();
  #abortion: { readonly reason: unknown } | undefined;
  #facts: TerminalFacts | undefined;
  #size: Size | undefined;
  #resolveStarted: (facts: TerminalFacts) => void = () => undefined;

  constructor(
    settings: ConnectionSettings,
    path: string,
    first: FirstMessage,
    from: number,
    { onConnection, onUnknownInput, onResized, onDropped }: TerminalListener = {},
  ) {
    this.#settings = settings;
    this.#onConnection = onConnection;
    this.input = new TerminalInput(onUnknownInput);
    this.#path = path;
    this.#first = { ...first, session_id: newSessionId() };
    const acknowledge = (offset: number): void => this.#connection?.send({ type: "ack", offset });
    this.output = new TerminalOutput(from, acknowledge, { onResized, onDropped });
    const started = new Promise<TerminalFacts>((resolve) => {
      this.#resolveStarted = resolve;
    });
    this.ended = this.#run();
    this.ended.then(
      () => {
        this.output.end();
        this.input.fail(programEnded(this.#facts));
      },
      (error: unknown) => {
        if (error instanceof WrennError && error.code === "detached") this.output.end();
        else this.output.fail(error);
        this.input.fail(error);
      },
    );
    this.started = Promise.race([started, this.ended.then(() => started)]);
    this.started.catch(() => undefined);
  }

  /** The size that counts is the last one, also after a broken connection. */
  resize(cols: number, rows: number): void {
    const size = { cols, rows };
    this.#size = size;
    this.input.follow(() => this.#sendSize(size));
  }

  /** Replaces the connection, or ends the wait for the next one. */
  reconnect(): void {
    if (!this.#facts) return;
    this.#connection?.drop();
    this.#wake.abort();
  }

  /** The session is over; what it was used for goes on. Input that was written is waited for, as far as there is a connection. */
  async detach(reason: unknown): Promise<void> {
    const until = performance.now() + DETACH_MS;
    while (this.#connection?.isStarted === true && this.input.unconfirmed > 0) {
      const { confirmed } = this.input;
      const left = Math.min(until - performance.now(), DETACH_SILENCE_MS);
      if (left <= 0) break;
      await Promise.race([this.input.change, sleep(left, this.#over.signal)]);
      if (this.input.confirmed === confirmed) break;
    }
    this.#connection?.send({ type: "detach" });
    this.close(reason);
    await this.ended.catch(() => undefined);
  }

  /** Fails with this reason, even if the program ends before {@link close}. */
  aborts(reason: unknown): void {
    this.#abortion = { reason };
    this.output.fail(reason);
    this.input.fail(reason);
  }

  /** Ends the session with the connection. */
  close(reason: unknown): void {
    this.#over.abort(reason);
  }

  /** Ends a program whose caller has given up, if there is a connection. */
  abandon(reason: unknown): void {
    this.#connection?.send({ type: "kill" });
    this.close(reason);
  }

  async #run(): Promise<TerminalExit> {
    const { resumeMs, retries, onRetry } = this.#settings;
    let attempt = 0;
    let brokenAt = performance.now();
    for (;;) {
      const connection = this.#connect();
      try {
        const exit = await this.#use(connection);
        if (this.#abortion) throw this.#abortion.reason;
        return exit;
      } catch (error) {
        this.#over.signal.throwIfAborted();
        if (this.#abortion) throw this.#abortion.reason;
        if (!(error instanceof WrennError) || !isPassing(error, this.#facts !== undefined)) throw error;
        const now = performance.now();
        if (connection.isProgress) [attempt, brokenAt] = [0, now];
        attempt++;
        if (this.#facts ? now - brokenAt >= resumeMs : attempt > retries)
          throw this.#facts ? streamLost(this.#facts, resumeMs, error) : error;
        this.#connectionIs(false);
        const delayMs = Math.min(backoffMs(attempt, error.retryAfterMs), resumeMs);
        onRetry?.({ method: "GET", path: this.#path, attempt, delayMs, error });
        await this.#wait(delayMs);
      }
    }
  }

  /** Waits before the next attempt, unless {@link reconnect} was or is called. */
  async #wait(delayMs: number): Promise<void> {
    using link = linkSignals(this.#over.signal, this.#wake.signal);
    try {
      await sleep(delayMs, link.signal);
    } catch {
      this.#over.signal.throwIfAborted();
    } finally {
      this.#wake = new AbortController();
    }
  }

  async #use(connection: TerminalConnection): Promise<TerminalExit> {
    this.#connection = connection;
    try {
      return await connection.run();
    } finally {
      this.#connection = undefined;
      this.input.disconnected();
    }
  }

  #connect(): TerminalConnection {
    const { received, taken } = this.output;
    const { session_id, ...first } = this.#first;
    return new TerminalConnection({
      settings: this.#settings,
      path: this.#path,
      first: this.#facts
        ? { type: "connect", tag: this.#facts.tag, from: received, acknowledged: taken, session_id }
        : { ...first, session_id },
      signal: this.#over.signal,
      onMessage: (message) => this.#receive(message),
      onOutput: (bytes) => this.output.push(bytes),
    });
  }

  #receive(message: ServerMessage): void {
    if (message.type === "started") {
      const { tag, pid, input_offset: offset, resumed } = message;
      const isNew = this.#facts === undefined;
      this.#facts = { tag, pid };
      // A later connection continues with what this reader has not seen.
      if (isNew) this.output.liveOffset = message.live_offset ?? 0;
      this.output.connected();
      this.input.connected((bytes) => this.#connection?.send(bytes), offset, resumed || isNew);
      this.#sendSize(this.#size);
      this.#resolveStarted(this.#facts);
      this.#connectionIs(true);
    } else if (message.type === "input_ack") this.input.confirm(message.offset);
    else if (message.type === "dropped") this.output.skipTo(message.to);
    else if (message.type === "resized") {
      if (isSame(message, this.#size)) this.#size = undefined;
      this.output.resized(message.cols, message.rows);
    }
  }

  /** Reports each change once the terminal has been reached. */
  #connectionIs(isConnected: boolean): void {
    if (!this.#facts || this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    this.#onConnection?.(isConnected);
  }

  #sendSize(size: Size | undefined): void {
    if (size && this.#facts) this.#connection?.send({ type: "resize", ...size });
  }
}

/** The connection is tried again after these: it broke, the server failed for the moment, or the capsule is paused. */
function isPassing(error: WrennError, hasStarted: boolean): boolean {
  return error.isRetryable || (hasStarted && error.reason === "capsule_not_running");
}

function isSame(size: Size, other: Size | undefined): boolean {
  return size.cols === other?.cols && size.rows === other.rows;
}

function newSessionId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function programEnded(facts: TerminalFacts | undefined): WrennError {
  return new WrennError({
    code: "terminal_ended",
    message: `the program of terminal '${facts?.tag ?? ""}' has ended`,
    remedy: "Start another terminal.",
  });
}

function streamLost({ tag }: TerminalFacts, resumeMs: number, cause: WrennError): WrennError {
  return new WrennError(
    {
      code: "stream_lost",
      message: `the connection to terminal '${tag}' broke and could not be resumed for ${resumeMs} ms: ${problemOf(cause)}`,
      remedy:
        "Check that the server runs and can be reached, or allow more time (resumeMs). The terminal may still run: connect to its tag.",
      requestId: cause.requestId,
    },
    { cause },
  );
}
