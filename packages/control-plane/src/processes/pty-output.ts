import { Bell, defined } from "@wrenn/core";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import type { ClientSocket } from "../http/client-socket.ts";

/** Bytes of output in one message (docs/reference/websocket-api.md#terminals). */
const PART = 16_384;
/** A client that acknowledges is sent this much ahead, as VS Code's terminal does. */
const UNACKNOWLEDGED = 100_000;

/** What prints: the terminal, or what is held of it. */
export type OutputSource = Pick<CapsuleProcess, "output">;

export interface PtyOutputOptions {
  readonly from: OutputStart;
  /** Offset up to which the client of a session has shown output. It is not sent too much ahead from the beginning. */
  readonly acknowledged?: number | undefined;
  /** Output goes as binary frames. */
  readonly binary: boolean;
  /** Offsets, gaps and sizes are told; without, the contract's messages and nothing else. */
  readonly extended: boolean;
}

/** Sends a terminal's output to one viewer. */
export class PtyOutput {
  readonly #socket: ClientSocket;
  readonly #options: PtyOutputOptions;
  /** Bytes; of a session's client the offset behind them. */
  #sent: number;
  #acknowledged: number | undefined;
  readonly #acknowledgements = new Bell();

  constructor(socket: ClientSocket, options: PtyOutputOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#acknowledged = options.acknowledged;
    this.#sent = this.#isSession && typeof options.from !== "string" ? options.from.stdout : 0;
    socket.onUnread(() => this.#acknowledgements.ring());
  }

  /** The viewer has shown this many bytes more. From the first call on it is never sent too much ahead. */
  acknowledge(bytes: number): void {
    this.#acknowledged = Math.min(this.#sent, (this.#acknowledged ?? 0) + bytes);
    this.#acknowledgements.ring();
  }

  /** The viewer has shown everything up to this offset. @returns the offset up to which it has. */
  acknowledgeTo(offset: number): number {
    this.#acknowledged = Math.min(this.#sent, Math.max(this.#acknowledged ?? 0, offset));
    this.#acknowledgements.ring();
    return this.#acknowledged;
  }

  /** Ends with the exit message. */
  async run(source: OutputSource, signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#acknowledgements.ring();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for await (const event of source.output(this.#options.from, signal)) {
        if (event.type === "data") await this.#data(event.offset, event.bytes, signal);
        else if (event.type === "dropped") await this.#dropped(event.from, event.to);
        else if (event.type === "resized") {
          if (this.#options.extended)
            await this.#socket.send({ type: "resized", cols: event.cols, rows: event.rows });
        } else {
          const { exitCode, signal: killedBy } = event.exit;
          await this.#socket.send({
            type: "exit",
            exit_code: exitCode,
            ...defined({ signal: killedBy }),
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  async #data(offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < bytes.length; at += PART) {
      const part = bytes.subarray(at, at + PART);
      // Acknowledgements may be stuck behind input that the program does not read before its output is taken.
      while (!this.#socket.unread && this.#isAhead()) {
        signal.throwIfAborted();
        await this.#acknowledgements.next;
      }
      this.#sent = this.#isSession ? offset + at + part.length : this.#sent + part.length;
      if (this.#options.binary) await this.#socket.sendBytes(part);
      else
        await this.#socket.send({
          type: "output",
          data: Buffer.from(part).toString("base64"),
          ...(this.#options.extended ? { offset: offset + at } : {}),
        });
    }
  }

  get #isSession(): boolean {
    return this.#options.acknowledged !== undefined;
  }

  #isAhead(): boolean {
    return this.#acknowledged !== undefined && this.#sent - this.#acknowledged > UNACKNOWLEDGED;
  }

  async #dropped(from: number, to: number): Promise<void> {
    if (this.#isSession) this.#sent = to;
    if (this.#options.extended) await this.#socket.send({ type: "dropped", from, to });
    else if (this.#options.from !== "oldest" || this.#sent > 0)
      await this.#socket.send({ type: "error", data: `output was dropped: bytes ${from} to ${to}` });
  }
}
