import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { HostAgent } from "@wrenn/protocol";
import { DIAL_PROTOCOL } from "../wire/streams.ts";
import { errorToWire } from "../wire/link-error.ts";
import { encodeValue } from "../wire/values.ts";

const PATH = /^\/dial\/([a-z0-9-]{1,64})\/([0-9]{1,5})\/(half|full)$/;

/** Becomes a connection to a port of a capsule, or says why not. */
export async function answerDial(
  agent: HostAgent,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new Error("the control plane is gone"));
  socket.once("close", onClose);
  socket.on("error", onClose);
  try {
    const [, id = "", port = "", mode] = PATH.exec(request.url ?? "") ?? [];
    if (!(socket instanceof TLSSocket) || !socket.authorized) throw new Error("not authorized");
    if (request.headers.upgrade !== DIAL_PROTOCOL || mode === undefined) throw new Error("no such path");
    const halfOpen = mode === "half";
    const service = await agent.dial(id, Number(port), { halfOpen, signal: gone.signal });
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${DIAL_PROTOCOL}\r\n\r\n`,
    );
    if (head.length > 0) service.write(head);
    splice(socket, service);
  } catch (error) {
    if (socket.destroyed) return;
    const body = encodeValue({ error: errorToWire(error) });
    socket.end(
      `HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  } finally {
    socket.removeListener("close", onClose);
  }
}

/** Joins two connections. Each direction ends on its own; one that breaks breaks the other. */
function splice(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.once("close", () => {
      if (!from.readableEnded || !from.writableFinished) to.destroy();
    });
  }
}
