import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock, systemRandom } from "@wrenn/core";
import { localCertificate } from "@wrenn/edge";
import type { EdgeTls } from "@wrenn/edge";
import { domain, startTestEdge } from "./test-edge.ts";
import type { TestEdge, TestEdgeOptions } from "./test-edge.ts";

export interface Http2Lab {
  readonly edge: TestEdge;
  readonly session: ClientHttp2Session;
  /** A GET to a service's port. */
  readonly get: (port: number, path: string) => ClientHttp2Stream;
  /** An extended CONNECT to a service's port. */
  readonly open: (port: number, headers?: OutgoingHttpHeaders) => ClientHttp2Stream;
}

/** A certificate for the domain of the tests. */
export async function localTls(t: TestContext): Promise<EdgeTls> {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-edge-h2-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return await localCertificate({
    directory,
    domains: [domain],
    clock: systemClock,
    random: systemRandom,
  });
}

/** An edge with TLS and one connection of HTTP/2 to it, which has seen the edge's settings. */
export async function startHttp2Lab(t: TestContext, options: TestEdgeOptions = {}): Promise<Http2Lab> {
  const tls = await localTls(t);
  const edge = await startTestEdge(t, { tls, ...options });
  const session = connect(`https://127.0.0.1:${edge.server.port}`, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  session.on("error", () => {});
  await once(session, "remoteSettings");
  const request = (headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream => {
    const stream = session.request(headers, { endStream });
    stream.on("error", () => {});
    return stream;
  };
  return {
    edge,
    session,
    get: (port, path) => request({ ":authority": edge.host(port), ":path": path }, true),
    open: (port, headers) =>
      request(
        {
          ":method": "CONNECT",
          ":protocol": "websocket",
          ":scheme": "https",
          ":path": "/chat?x=1",
          ":authority": edge.host(port),
          "sec-websocket-version": "13",
          ...headers,
        },
        false,
      ),
  };
}

export async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const [headers] = (await once(stream, "response")) as [{ ":status": number }];
  return headers[":status"];
}

/** Takes a connection that asks for a WebSocket and agrees properly. @returns the head of the request. */
export async function acceptWebSocket(socket: Socket): Promise<string> {
  const [head] = (await once(socket, "data")) as [Buffer];
  socket.write(`HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${acceptField(head)}\r\n`);
  return head.toString("latin1");
}

/** The Sec-WebSocket-Accept field for a request (RFC 6455 §4.2.2). */
export function acceptField(head: Buffer): string {
  const key = /^sec-websocket-key: (\S+)/im.exec(head.toString("latin1"))?.[1] ?? "";
  const hash = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `Sec-WebSocket-Accept: ${hash}\r\n`;
}
