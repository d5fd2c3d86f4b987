import type { OutputStream, ProcessExit } from "@wrenn/protocol";
import type { ClientSocket } from "../http/client-socket.ts";
import type { OutputSink } from "./forward-output.ts";
import { exitJson, TIMED_OUT_EXIT } from "../http/exit-json.ts";
import { TextPieces } from "./text-pieces.ts";
import type { TextPiece } from "./text-pieces.ts";

export interface SocketOutputOptions {
  /** `base64` carries any bytes; `utf-8` whole characters. */
  readonly encoding: "utf-8" | "base64";
  /** Adds `offset` and `next`, counted in bytes of the stream, to every piece of output: where it begins, and what follows it. */
  readonly offsets: boolean;
  readonly timedOut?: () => boolean;
}

/** Sends output as messages of a WebSocket (docs/reference/websocket-api.md#commands). */
export class SocketOutput implements OutputSink {
  readonly #socket: Pick<ClientSocket, "send" | "sendText">;
  readonly #options: SocketOutputOptions;
  readonly #pieces = new TextPieces();

  constructor(socket: Pick<ClientSocket, "send" | "sendText">, options: SocketOutputOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  async data(stream: OutputStream, offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#options.encoding === "base64") {
      const { offsets } = this.#options;
      const place = offsets ? `,"offset":${offset},"next":${offset + bytes.length}` : "";
      await this.#socket.sendText(base64Message(`{"type":"${stream}","data":"`, bytes, `"${place}}`));
    } else await this.#send(stream, this.#pieces.next(stream, offset, bytes));
  }

  async dropped(stream: OutputStream, from: number, to: number): Promise<void> {
    await this.#send(stream, this.#pieces.rest(stream));
    await this.#socket.send({ type: "dropped", stream, from, to });
  }

  async exit(exit: ProcessExit): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) await this.#send(stream, this.#pieces.rest(stream));
    const isTimedOut = this.#options.timedOut?.() === true;
    await this.#socket.send({
      type: "exit",
      ...exitJson(exit),
      ...(isTimedOut ? { exit_code: TIMED_OUT_EXIT, timed_out: true } : {}),
    });
  }

  async #send(stream: OutputStream, piece: TextPiece | undefined): Promise<void> {
    if (!piece) return;
    const { text: data, offset, next } = piece;
    await this.#socket.send({ type: stream, data, ...(this.#options.offsets ? { offset, next } : {}) });
  }
}

/** JSON text around bytes as Base64. Of those no character needs to be escaped, and none is longer than a byte. */
function base64Message(head: string, { buffer, byteOffset, length }: Uint8Array, tail: string): Buffer {
  const text = Buffer.from(buffer, byteOffset, length).toString("base64");
  const message = Buffer.allocUnsafe(head.length + text.length + tail.length);
  message.write(head, 0, "latin1");
  message.write(text, head.length, "latin1");
  message.write(tail, head.length + text.length, "latin1");
  return message;
}
