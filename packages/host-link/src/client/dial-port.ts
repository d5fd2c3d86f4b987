import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { DIAL_PROTOCOL } from "../wire/streams.ts";
import { errorFromWire } from "../wire/link-error.ts";
import { decodeValue } from "../wire/values.ts";
import { unavailable } from "./transport.ts";
import type { Transport } from "./transport.ts";

const REFUSAL_LIMIT = 64 << 10;

/** Connects to a port of a capsule through its host. @throws the operating system's error there, with its `code`. */
export async function dialPort(
  transport: Transport,
  id: string,
  port: number,
  { halfOpen, signal }: { readonly halfOpen: boolean; readonly signal: AbortSignal },
): Promise<Duplex> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const onAbort = (): void => attempt.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const path = `dial/${id}/${port}/${halfOpen ? "half" : "full"}`;
  const { request, response } = transport.open("dial", path, attempt.signal, {
    connection: "upgrade",
    upgrade: DIAL_PROTOCOL,
  });
  const upgraded = new Promise<Duplex>((resolve) => {
    request.once("upgrade", (_answer: IncomingMessage, socket: Duplex, head: Buffer) => {
      transport.keep(socket);
      if (head.length > 0) socket.unshift(head);
      socket.allowHalfOpen = halfOpen;
      resolve(socket);
    });
  });
  request.end();
  try {
    const answer = await Promise.race([upgraded, response]);
    if ("statusCode" in answer) throw await refusalOf(answer);
    return answer as Duplex;
  } finally {
    // The signal is for the attempt; the connection is its caller's.
    signal.removeEventListener("abort", onAbort);
  }
}

async function refusalOf(answer: IncomingMessage): Promise<Error> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > REFUSAL_LIMIT) return unavailable(new Error("a refusal that is too long"));
    parts.push(part);
  }
  try {
    const value = decodeValue(Buffer.concat(parts, length));
    return errorFromWire(
      typeof value === "object" && value !== null && "error" in value ? value.error : undefined,
    );
  } catch (error) {
    return unavailable(error);
  }
}
