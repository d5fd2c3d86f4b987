import { defined } from "@wrenn/core";
import type { CapsuleProcess, OutputEvent, OutputStart } from "@wrenn/protocol";
import type { ClientSocket } from "../http/client-socket.ts";
import { TextPieces } from "./text-pieces.ts";

export interface ForwardOptions {
  readonly from: OutputStart;
  /** `base64` carries any bytes; `utf-8` whole characters. */
  readonly encoding: "utf-8" | "base64";
  /** Adds `offset`, counted in bytes of the stream, to every piece of output. */
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
  const pieces = new TextPieces();
  for await (const event of process.output(options.from, signal)) {
    if (event.type === "data") await sendData(event, pieces, socket, options);
    else if (event.type === "dropped") {
      await sendRest(pieces, socket, [event.stream]);
      await socket.send({ type: "dropped", stream: event.stream, from: event.from, to: event.to });
    } else if (event.type === "exit") {
      await sendRest(pieces, socket, ["stdout", "stderr"]);
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

async function sendData(
  event: Extract<OutputEvent, { type: "data" }>,
  pieces: TextPieces,
  socket: ClientSocket,
  { encoding, offsets }: ForwardOptions,
): Promise<void> {
  const data =
    encoding === "base64"
      ? Buffer.from(event.bytes).toString("base64")
      : pieces.next(event.stream, event.bytes);
  if (data === "") return;
  await socket.send({ type: event.stream, data, ...(offsets ? { offset: event.offset } : {}) });
}

async function sendRest(
  pieces: TextPieces,
  socket: ClientSocket,
  streams: readonly ("stdout" | "stderr")[],
): Promise<void> {
  for (const stream of streams) {
    const data = pieces.rest(stream);
    if (data !== "") await socket.send({ type: stream, data });
  }
}
