import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import type { EdgeFallback } from "@wrenn/edge";

/** One connection, and what came on it. */
export interface Peer {
  readonly socket: Socket;
  received: string;
  isOpen: boolean;
}

/** A client that only ever does what the test says. */
export async function peer(t: TestContext, port: number, localAddress = "127.0.0.1"): Promise<Peer> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const client: Peer = { socket, received: "", isOpen: true };
  const closed = (): void => {
    client.isOpen = false;
  };
  socket.on("data", (chunk) => (client.received += chunk.toString("latin1")));
  socket.on("error", closed).on("end", closed).on("close", closed);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return client;
}

/** Several of them. */
export async function peers(
  t: TestContext,
  count: number,
  port: number,
  from?: string,
): Promise<readonly Peer[]> {
  return await Promise.all(Array.from({ length: count }, async () => await peer(t, port, from)));
}

/** How many of them are open. */
export const openOf = (clients: readonly Peer[]): number => clients.filter(({ isOpen }) => isOpen).length;

/** A platform that answers once it has the whole body. */
export const echo: EdgeFallback = {
  request: (request, response) => {
    const reply = response as ServerResponse;
    text(request as IncomingMessage).then(
      (body) => reply.end(`got ${body.length}`),
      () => undefined,
    );
  },
  upgrade: (_request, socket) => void socket.destroy(),
};
