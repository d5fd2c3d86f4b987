import { defined } from "@wrenn/core";
import type { CapsuleProcess, OutputStart, OutputStream } from "@wrenn/protocol";
import type { ClientSocket } from "../http/client-socket.ts";
import { TextPieces } from "./text-pieces.ts";
import type { TextPiece } from "./text-pieces.ts";

export interface ForwardOptions {
  readonly from: OutputStart;
  /** `base64` carries any bytes; `utf-8` whole characters. */
  readonly encoding: "utf-8" | "base64";
  /** Adds `offset` and `next`, counted in bytes of the stream, to every piece of output: where it begins, and what follows it. */
  readonly offsets: boolean;
  readonly timedOut?: () => boolean;
}

/** Sends a process's output as messages (docs/reference/websocket-api.md#commands), the exit last. */
export async function forwardOutput(
  process: CapsuleProcess,
  socket: ClientSocket,
  options: ForwardOptions,
  signal: AbortSignal,
): Promise<void> {
  const { encoding, offsets } = options;
  const pieces = new TextPieces();
  const send = async (stream: OutputStream, piece: TextPiece | undefined): Promise<void> => {
    if (!piece) return;
    const { text: data, offset, next } = piece;
    await socket.send({ type: stream, data, ...(offsets ? { offset, next } : {}) });
  };
  for await (const event of process.output(options.from, signal)) {
    if (event.type === "data") {
      const { stream, offset, bytes } = event;
      await send(
        stream,
        encoding === "base64"
          ? { text: Buffer.from(bytes).toString("base64"), offset, next: offset + bytes.length }
          : pieces.next(stream, offset, bytes),
      );
    } else if (event.type === "dropped") {
      await send(event.stream, pieces.rest(event.stream));
      await socket.send({ type: "dropped", stream: event.stream, from: event.from, to: event.to });
    } else if (event.type === "exit") {
      for (const stream of ["stdout", "stderr"] as const) await send(stream, pieces.rest(stream));
      const { exitCode, signal: killedBy } = event.exit;
      await socket.send({
        type: "exit",
        exit_code: exitCode,
        ...defined({ signal: killedBy }),
        ...(options.timedOut?.() === true ? { timed_out: true } : {}),
      });
    }
  }
}
