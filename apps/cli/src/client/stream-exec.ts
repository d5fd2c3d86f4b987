import { once } from "node:events";
import { WebSocket } from "ws";
import type { ApiClient } from "./api-client.ts";

export interface CommandRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeout_sec?: number;
}

/** The server refused or lost the stream; its message says why. */
export class StreamFailed extends Error {
  override readonly name = "StreamFailed";
}

export interface ExecStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/** What the server sends on an exec stream (docs/reference/websocket-api.md#commands), with our `encoding: base64`. */
type ServerMessage =
  | { readonly type: "start"; readonly pid: number }
  | { readonly type: "stdout" | "stderr"; readonly data: string }
  | { readonly type: "exit"; readonly exit_code: number; readonly timed_out?: boolean }
  | { readonly type: "error"; readonly data: string };

/** Bytes that may wait in the socket before we stop reading our own standard input. */
const INPUT_HIGH_WATER = 1 << 20;

/**
 * Runs a command over the exec stream with this process's input and output. Output is written with back-pressure:
 * a slow reader of ours slows the command down.
 */
export async function streamExec(
  api: ApiClient,
  capsuleId: string,
  request: CommandRequest,
  streams: ExecStreams,
): Promise<{ readonly code: number; readonly timedOut: boolean }> {
  const socket = new WebSocket(api.socketUrl(`/v1/capsules/${capsuleId}/exec/stream`), {
    headers: api.headers,
    perMessageDeflate: false,
  });
  const result = Promise.withResolvers<{ code: number; timedOut: boolean }>();
  let writing: Promise<void> = Promise.resolve();
  const write = (target: NodeJS.WritableStream, data: string): void => {
    if (target.write(Buffer.from(data, "base64"))) return;
    socket.pause();
    writing = once(target, "drain").then(() => socket.resume());
  };
  socket.on("message", (frame: Buffer) => {
    const message = JSON.parse(frame.toString("utf8")) as ServerMessage;
    switch (message.type) {
      case "start":
        void pumpInput(socket, streams.input).catch(result.reject);
        break;
      case "stdout":
        write(streams.output, message.data);
        break;
      case "stderr":
        write(streams.errors, message.data);
        break;
      case "exit":
        result.resolve({ code: message.exit_code, timedOut: message.timed_out ?? false });
        break;
      case "error":
        result.reject(new StreamFailed(message.data));
        break;
    }
  });
  socket.once("open", () =>
    socket.send(JSON.stringify({ type: "start", ...request, stdin: true, encoding: "base64" })),
  );
  socket.once("error", result.reject);
  socket.once("close", () =>
    result.reject(new StreamFailed("the server closed the stream before the command ended")),
  );
  const onAbort = (): void => result.reject(streams.signal.reason);
  streams.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const exit = await result.promise;
    await writing;
    return exit;
  } finally {
    streams.signal.removeEventListener("abort", onAbort);
    socket.close();
    // Our own standard input must not keep the process alive once the command has ended.
    if ("unref" in streams.input && typeof streams.input.unref === "function") streams.input.unref();
  }
}

async function pumpInput(socket: WebSocket, input: NodeJS.ReadableStream): Promise<void> {
  for await (const chunk of input) {
    if (socket.readyState !== WebSocket.OPEN) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.send(
      JSON.stringify({ type: "stdin", data: Buffer.from(chunk as Buffer).toString("base64") }),
      () => resolve(),
    );
    if (socket.bufferedAmount > INPUT_HIGH_WATER) await promise;
  }
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "stdin_close" }));
}
