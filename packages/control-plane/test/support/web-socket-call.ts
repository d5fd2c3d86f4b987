import assert from "node:assert/strict";
import { defined } from "@wrenn/core";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import { undescribedMessage } from "./described-messages.ts";

const DEADLINE_MS = 10_000;
/** Characters of what was said that a failure shows. */
const SHOWN = 2000;

export interface SocketAnswer {
  /** Of a refusal before there was a WebSocket; 101 otherwise. */
  readonly status: number;
  /** What came, as text; the body of a refusal. */
  readonly messages: readonly string[];
  /** With which the server closed. */
  readonly code: number;
}

/** Opens a WebSocket, says all of this at once, and listens until the server closes. Fails after `deadlineMs`; default: 10 s. */
export async function webSocketCall(
  server: string,
  path: string,
  said: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly messages?: readonly (string | Uint8Array)[];
    readonly from?: string;
    readonly deadlineMs?: number;
  },
): Promise<SocketAnswer> {
  const socket = new WebSocket(server.replace(/^http/, "ws") + path, {
    headers: { ...said.headers },
    ...defined({ localAddress: said.from }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<SocketAnswer>();
  const messages: string[] = [];
  const undescribed: string[] = [];
  let status = 101;
  socket.on("message", (data: RawData, isBinary: boolean) => {
    const text = (data as Buffer).toString();
    if (!isBinary) undescribed.push(...undescribedMessage(path, text));
    messages.push(text);
  });
  socket.once("open", () => {
    for (const message of said.messages ?? []) socket.send(message);
  });
  socket.once("unexpected-response", (_request, response) => {
    status = response.statusCode ?? 0;
    response.setEncoding("utf8");
    response.on("data", (text: string) => messages.push(text));
    response.once("end", () => resolve({ status, messages, code: 0 }));
  });
  socket.on("error", (error) => {
    // The server may close while the client still talks.
    if (status === 101 && socket.readyState === WebSocket.CONNECTING) reject(error);
  });
  socket.once("close", (code) => {
    if (status === 101) resolve({ status, messages, code });
  });
  const deadline = setTimeout(() => {
    reject(new Error(`${path} was not closed; it said ${messages.join(" ").slice(0, SHOWN)}`));
    socket.terminate();
  }, said.deadlineMs ?? DEADLINE_MS);
  try {
    const answer = await promise;
    assert.deepEqual(undescribed, [], `${path} sent what the description of the API does not have`);
    return answer;
  } finally {
    clearTimeout(deadline);
  }
}
