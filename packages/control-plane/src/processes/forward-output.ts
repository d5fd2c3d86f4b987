import type { CapsuleProcess, OutputStart, OutputStream, ProcessExit } from "@wrenn/protocol";

/** Where a client gets the output of a process. Each call waits while the client is slow. */
export interface OutputSink {
  data(stream: OutputStream, offset: number, bytes: Uint8Array): Promise<void>;
  /** Bytes `from` up to `to` of a stream are not kept. */
  dropped(stream: OutputStream, from: number, to: number): Promise<void>;
  /** The last call. */
  exit(exit: ProcessExit): Promise<void>;
}

/** Passes a process's output on to a client, the exit last. A slow client is a slow reader of the process. */
export async function forwardOutput(
  process: Pick<CapsuleProcess, "output">,
  sink: OutputSink,
  from: OutputStart,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of process.output(from, signal)) {
    if (event.type === "data") await sink.data(event.stream, event.offset, event.bytes);
    else if (event.type === "dropped") await sink.dropped(event.stream, event.from, event.to);
    else if (event.type === "exit") await sink.exit(event.exit);
  }
}
