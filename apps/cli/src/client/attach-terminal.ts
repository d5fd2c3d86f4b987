import { WebSocket } from "ws";
import type { ApiClient } from "./api-client.ts";
import { StreamFailed } from "./stream-exec.ts";

/** The terminal of the person in front of us. */
export interface LocalTerminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

type ServerMessage =
  | { readonly type: "started"; readonly tag: string; readonly pid: number }
  | { readonly type: "exit"; readonly exit_code: number }
  | { readonly type: "error"; readonly data: string; readonly fatal?: boolean }
  | { readonly type: "ping" };

/** Shown bytes are acknowledged in steps of this size. */
const ACKNOWLEDGE_BYTES = 32_768;

/**
 * Joins the local terminal to one in a capsule (docs/reference/websocket-api.md#terminals) until its program ends; gives the exit code.
 *
 * @param first - the `start` or `connect` message.
 * @param onStarted - told the tag with which the terminal can be found again.
 * @throws StreamFailed when the connection breaks or the server refuses.
 */
export async function attachTerminal(
  api: ApiClient,
  capsuleId: string,
  first: Readonly<Record<string, unknown>>,
  { input, output }: LocalTerminal,
  onStarted: (tag: string) => void,
): Promise<number> {
  const socket = new WebSocket(api.socketUrl(`/v1/capsules/${capsuleId}/pty`), "wrenn.pty.binary", {
    headers: api.headers,
    perMessageDeflate: false,
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const send = (message: Readonly<Record<string, unknown>>): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };
  const type = (bytes: Buffer): void => socket.send(bytes);
  const resize = (): void => send({ type: "resize", cols: output.columns, rows: output.rows });
  let shown = 0;
  socket.once("open", () => send(first["type"] === "start" ? { ...first, ...sizeOf(output) } : first));
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) {
      output.write(data, () => {
        shown += data.length;
        if (shown < ACKNOWLEDGE_BYTES) return;
        send({ type: "ack", bytes: shown });
        shown = 0;
      });
      return;
    }
    const message = JSON.parse(data.toString("utf8")) as ServerMessage;
    if (message.type === "started") {
      onStarted(message.tag);
      input.on("data", type);
      input.resume();
      resize();
    } else if (message.type === "exit") resolve(message.exit_code);
    else if (message.type === "error" && message.fatal === true) reject(new StreamFailed(message.data));
  });
  socket.once("error", reject);
  socket.once("close", () => reject(new StreamFailed("the connection to the terminal broke")));
  output.on("resize", resize);
  const raw = input.isTTY;
  if (raw) input.setRawMode(true);
  try {
    return await promise;
  } finally {
    if (raw) input.setRawMode(false);
    output.off("resize", resize);
    input.off("data", type);
    input.pause();
    socket.close();
  }
}

function sizeOf(output: NodeJS.WriteStream): { readonly cols?: number; readonly rows?: number } {
  return output.isTTY ? { cols: output.columns, rows: output.rows } : {};
}
