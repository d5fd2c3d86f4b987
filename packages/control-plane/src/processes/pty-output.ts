import { Bell, defined } from "@wrenn/core";
import type { CapsuleProcess, OutputStart } from "@wrenn/protocol";
import type { ClientSocket } from "../http/client-socket.ts";

/** Bytes of output in one message (docs/reference/websocket-api.md#terminals). */
const PART = 16_384;
/** A client that acknowledges is sent this much ahead, as VS Code's terminal does. */
const UNACKNOWLEDGED = 100_000;

export interface PtyOutputOptions {
  readonly from: OutputStart;
  /** Output goes as binary frames. */
  readonly binary: boolean;
  /** Offsets, gaps and sizes are told; without, the contract's messages and nothing else. */
  readonly extended: boolean;
}

/** Sends a terminal's output to one viewer. */
export class PtyOutput {
  readonly #socket: ClientSocket;
  readonly #options: PtyOutputOptions;
  #sent = 0;
  #acknowledged: number | undefined;
  readonly #acknowledgements = new Bell();

  constructor(socket: ClientSocket, options: PtyOutputOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.onUnread(() => this.#acknowledgements.ring());
  }

  /** The viewer has shown this many bytes more. From the first call on it is never sent too much ahead. */
  acknowledge(bytes: number): void {
    this.#acknowledged = Math.min(this.#sent, (this.#acknowledged ?? 0) + bytes);
    this.#acknowledgements.ring();
  }

  /** Ends with the exit message. */
  async run(process: CapsuleProcess, signal: AbortSignal): Promise<void> {
    const wake = (): void => this.#acknowledgements.ring();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for await (const event of process.output(this.#options.from, signal)) {
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
      this.#sent += part.length;
      if (this.#options.binary) await this.#socket.sendBytes(part);
      else
        await this.#socket.send({
          type: "output",
          data: Buffer.from(part).toString("base64"),
          ...(this.#options.extended ? { offset: offset + at } : {}),
        });
    }
  }

  #isAhead(): boolean {
    return this.#acknowledged !== undefined && this.#sent - this.#acknowledged > UNACKNOWLEDGED;
  }

  async #dropped(from: number, to: number): Promise<void> {
    if (this.#options.extended) await this.#socket.send({ type: "dropped", from, to });
    else if (this.#options.from !== "oldest" || this.#sent > 0)
      await this.#socket.send({ type: "error", data: `output was dropped: bytes ${from} to ${to}` });
  }
}
