import { WrennError } from "../errors/wrenn-error.ts";
import { orAborted } from "../transport/abort.ts";
import type { HttpClient } from "../transport/http.ts";
import { segment } from "../transport/http.ts";
import { invalidOption } from "../transport/options.ts";
import type { TerminalExit } from "./terminal-connection.ts";
import type { TerminalFacts, TerminalSession } from "./terminal-session.ts";

const MAX_SIZE = 10_000;
const KILL_MS = 10_000;

/**
 * A terminal in a capsule. A broken connection is resumed without losing or repeating output or input. The terminal belongs to the
 * capsule: it runs on when this object is detached or disposed of, and while the capsule is paused it stands still.
 */
export class Terminal implements AsyncDisposable {
  /** Name of the terminal in its capsule, for `capsule.pty.connect`. */
  readonly tag: string;
  /** Process id in the capsule. */
  readonly pid: number;
  /**
   * What the terminal prints. The program waits for a reader that is slow, once about 100 KB are on their way. Cancelling discards
   * what follows. It ends after the program, or when the terminal is detached.
   *
   * Errors with WrennError `stream_lost` when the connection could not be resumed.
   */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * What is typed: bytes, or text as UTF-8. A write resolves when it is on its way, and waits while 256 KiB are not taken by the
   * terminal. Closing waits until everything is taken; the terminal stays open (end its input with `\u0004`).
   *
   * Errors with WrennError `terminal_ended` after the program has ended; `connection_lost` when the server was killed and what
   * happened to input that was on its way is unknown, unless `onUnknownInput` is given.
   */
  readonly writable: WritableStream<Uint8Array | string>;
  /**
   * The exit of the program. It does not come before the output is read or cancelled, beyond about 100 KB.
   *
   * Rejects with WrennError `stream_lost`, with `detached` after {@link detach}, or with the reason of the signal. A rejection that
   * nobody waits for is ignored.
   */
  readonly exited: Promise<TerminalExit>;
  readonly #session: TerminalSession;
  readonly #http: HttpClient;
  readonly #path: string;

  /** @internal */
  constructor(http: HttpClient, capsulePath: string, session: TerminalSession, { tag, pid }: TerminalFacts) {
    this.#http = http;
    this.#path = `${capsulePath}/processes/${segment(tag)}`;
    this.#session = session;
    this.tag = tag;
    this.pid = pid;
    this.readable = session.output.readable;
    this.writable = session.input.writable;
    this.exited = session.ended;
  }

  /** Offset behind the output that was read: where `capsule.pty.connect(tag, { from })` continues. */
  get offset(): number {
    return this.#session.output.taken;
  }

  /**
   * Output up to this offset is a replay: it was printed before this terminal was connected to, and what it asks the terminal for, such
   * as the position of the cursor, must not be answered again. No chunk of {@link readable} has bytes on both sides: one is of the
   * replay when {@link offset} is not beyond this after it was read. 0 for a terminal that was started here.
   */
  get liveOffset(): number {
    return this.#session.output.liveOffset;
  }

  /** Bytes of output that the server no longer had when they were asked for: 0, unless a connection was broken for minutes. */
  get droppedBytes(): number {
    return this.#session.output.droppedBytes;
  }

  /**
   * Changes the size. It takes its place behind what was written before.
   *
   * @throws WrennError `invalid_option` for sizes outside of 1 to 10,000.
   */
  resize(cols: number, rows: number): void {
    requireSize("Terminal.resize", { cols, rows });
    this.#session.resize(cols, rows);
  }

  /**
   * Replaces the connection: for a caller that knows that the network has changed. While a broken connection is made again, the next
   * attempt is made at once. Nothing is lost or repeated.
   */
  reconnect(): void {
    this.#session.reconnect();
  }

  /**
   * Ends the program and everything that it started, at once. {@link exited} has the result.
   *
   * @throws WrennError of the server, unless the program has ended already; `connection_failed`.
   */
  async kill(): Promise<void> {
    const answer = await this.#http.request("DELETE", this.#path, { accept: [404], timeoutMs: KILL_MS });
    answer.close();
  }

  /**
   * Leaves the terminal, which runs on. Resolves when it has taken what was written, or when it takes nothing for 0.4 s; at most 2 s
   * later. What was written is on its way then. Can be repeated.
   */
  async detach(): Promise<void> {
    await this.#session.detach(detached(this.tag));
  }

  /** The same as {@link detach}: the terminal runs on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  /**
   * An abort ends the program, and then everything here with its reason.
   *
   * @internal
   */
  endOn(signal: AbortSignal | undefined): void {
    this.#onAbort(signal, async () => {
      try {
        await this.kill();
      } catch {
        // The caller hears of the abort.
      }
    });
  }

  /**
   * An abort ends everything here with its reason.
   *
   * @internal
   */
  leaveOn(signal: AbortSignal | undefined): void {
    this.#onAbort(signal, async () => undefined);
  }

  #onAbort(signal: AbortSignal | undefined, before: () => Promise<void>): void {
    if (!signal) return;
    const onAbort = (): void => {
      this.#session.aborts(signal.reason);
      before().then(
        () => this.#session.close(signal.reason),
        () => undefined,
      );
    };
    const release = (): void => signal.removeEventListener("abort", onAbort);
    this.exited.then(release, release);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  }

  /**
   * Waits for a session's terminal.
   *
   * @throws WrennError of the server; the signal's reason.
   * @internal
   */
  static async of(
    http: HttpClient,
    capsulePath: string,
    session: TerminalSession,
    signal: AbortSignal | undefined,
    onAbort: (reason: unknown) => void,
  ): Promise<Terminal> {
    try {
      return new Terminal(http, capsulePath, session, await orAborted(session.started, signal));
    } catch (error) {
      if (signal?.aborted === true) onAbort(signal.reason);
      throw error;
    }
  }
}

/** @throws WrennError `invalid_option`. */
export function requireSize(
  call: string,
  sizes: { readonly cols?: number | undefined; readonly rows?: number | undefined },
): void {
  for (const [name, value] of Object.entries(sizes))
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= MAX_SIZE))
      throw invalidOption(call, name, `must be a whole number from 1 to ${MAX_SIZE}, not ${String(value)}`);
}

function detached(tag: string): WrennError {
  return new WrennError({
    code: "detached",
    message: `terminal '${tag}' was detached, and runs on`,
    remedy: "Connect to it with capsule.pty.connect.",
    details: { tag },
  });
}
