import { randomBytes } from "node:crypto";
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";

/**
 * Clients of a server that mean it harm, as a process: slow, broken and flooding ones over both protocols, from many addresses of this
 * machine, until it receives SIGTERM. The argument is JSON. What happens to each is decided by the seed.
 */
const { port, tlsPort, seed, only, pauseMs } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly port: number;
  readonly tlsPort: number;
  readonly seed: number;
  /** Between two of them, at least. */
  readonly pauseMs: number;
  /** One kind instead of all. */
  readonly only?: string;
};

const ADDRESSES = 12;
/** All at once; the process of the test has descriptors for more. */
const MOST_SOCKETS = 2500;
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const UPGRADE =
  "GET /v1/capsules/cl-0000000000000000000000000/pty HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

let state = seed >>> 0;
/** Mulberry32. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
}

const open = new Set<Socket>();
const closing = new AbortController();
const counts: Record<string, number> = {};

const address = (): string => `127.66.0.${1 + random(ADDRESSES)}`;

/** A connection, or nothing when there are too many. */
function dial(): Socket | undefined {
  if (open.size >= MOST_SOCKETS) return undefined;
  return kept(connect({ port, host: "127.0.0.1", localAddress: address() }));
}

function dialTls(): Socket | undefined {
  if (open.size >= MOST_SOCKETS) return undefined;
  const raw = kept(connect({ port: tlsPort, host: "127.0.0.1", localAddress: address() }));
  return kept(connectTls({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["h2"] }));
}

function kept(socket: Socket): Socket {
  open.add(socket);
  socket.on("error", () => undefined);
  socket.once("close", () => open.delete(socket));
  return socket;
}

/** Writes the text once a second. */
async function trickle(socket: Socket | undefined, piece: string, times: number): Promise<void> {
  for (let sent = 0; sent < times; sent += 1) {
    await delay(1000);
    if (socket?.writable !== true) return;
    socket.write(piece);
  }
}

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Frames after the preface of HTTP/2, all at once and again while the connection lives. */
async function floodFrames(frames: Buffer, times: number): Promise<void> {
  const socket = dialTls();
  if (!socket) return;
  socket.resume();
  socket.write(Buffer.concat([PREFACE, frame(4, 0, 0)]));
  for (let sent = 0; sent < times && !socket.destroyed; sent += 1) {
    if (!socket.write(frames)) await delay(20);
    if (sent % 8 === 0) await delay(1);
  }
}

const repeated = (one: Buffer, times: number): Buffer =>
  Buffer.concat(Array.from({ length: times }, () => one));
/** GET / of https://x in HPACK's static table. */
const GET = Buffer.from([0x82, 0x84, 0x87, 0x41, 0x01, 0x78]);

async function sessionOf(settings: Readonly<Record<string, number>> = {}) {
  const socket = dialTls();
  if (!socket) return undefined;
  const session = connectHttp2(`https://127.0.0.1:${tlsPort}`, { createConnection: () => socket, settings });
  session.on("error", () => undefined);
  return session;
}

const kinds: Readonly<Record<string, () => Promise<void>>> = {
  "slow head": async () => {
    const socket = dial();
    socket?.write("GET /health HTTP/1.1\r\nHost: x\r\nX-A: ");
    await trickle(socket, "a", 30);
  },
  "slow body": async () => {
    const socket = dial();
    socket?.write(
      "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n{",
    );
    await trickle(socket, " ", 60);
  },
  "half a request": async () => void dial()?.write("POST /v1/caps"),
  noise: async () => void dial()?.write(randomBytes(1 + random(4000))),
  "silent crowd": async () => {
    for (let n = 0; n < 40; n += 1) dial();
  },
  "opening and closing": async () => {
    for (let n = 0; n < 60; n += 1) {
      const socket = dial();
      socket?.once("connect", () => socket.resetAndDestroy());
    }
  },
  pipelining: async () =>
    void dial()?.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200 + random(1000))),
  "unread answers": async () => {
    const socket = dial();
    socket?.pause().write("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50));
  },
  "wrong keys": async () => {
    const socket = dial();
    socket?.resume();
    for (let n = 0; n < 50; n += 1) {
      const key = randomBytes(16).toString("hex");
      socket?.write(`GET /v1/capsules HTTP/1.1\r\nHost: x\r\nX-API-Key: wrn_${key}\r\n\r\n`);
    }
  },
  "log-ins": async () => {
    const socket = dial();
    socket?.resume();
    const body = JSON.stringify({ email: "someone@example.org", password: "guess" });
    for (let n = 0; n < 10; n += 1) {
      socket?.write(
        `POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    }
  },
  "a WebSocket with a message that never ends": async () => {
    const socket = dial();
    socket?.resume().write(UPGRADE);
    socket?.write(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]));
    socket?.write(Buffer.alloc(1 << 19, 0x20));
  },
  "a WebSocket of pings and fragments": async () => {
    const socket = dial();
    socket?.resume().write(UPGRADE);
    socket?.write(repeated(Buffer.from([0x89, 0x80, 0, 0, 0, 0]), 5000));
    socket?.write(repeated(Buffer.from([0x01, 0x80, 0, 0, 0, 0]), 5000));
  },
  "half an upgrade": async () => void dial()?.write(UPGRADE.slice(0, -2)),
  "half a TLS handshake": async () => {
    if (open.size < MOST_SOCKETS)
      kept(connect({ port: tlsPort, host: "127.0.0.1", localAddress: address() })).write(
        Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
      );
  },
  "rapid resets": async () => {
    const session = await sessionOf();
    for (let n = 0; n < 3000; n += 1) {
      if (session?.destroyed !== false) return;
      const stream = session.request({ ":path": "/v1/capsules" });
      stream.on("error", () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
      if (n % 100 === 0) await delay(1);
    }
  },
  "no window": async () => {
    const session = await sessionOf({ initialWindowSize: 0 });
    for (let n = 0; n < 60; n += 1)
      if (session?.destroyed === false)
        session.request({ ":path": "/openapi.json" }).on("error", () => undefined);
  },
  pings: () => floodFrames(repeated(frame(6, 0, 0, Buffer.alloc(8)), 200), 200),
  settings: () => floodFrames(repeated(frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff])), 200), 200),
  continuations: () =>
    floodFrames(
      Buffer.concat([
        frame(1, 0, 1, GET),
        repeated(frame(9, 0, 1, Buffer.from([0, 1, 0x61, 1, 0x62])), 2000),
      ]),
      4,
    ),
  "empty frames": () => floodFrames(Buffer.concat([frame(1, 4, 1, GET), repeated(frame(0, 0, 1), 2000)]), 20),
  "resets of frames": () =>
    floodFrames(
      Buffer.concat(
        Array.from({ length: 500 }, (_, n) =>
          Buffer.concat([frame(1, 5, 2 * n + 1, GET), frame(3, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8]))]),
        ),
      ),
      1,
    ),
};

const names = only === undefined ? Object.keys(kinds) : [only];
process.once("SIGTERM", () => closing.abort());
process.stdout.write(`${JSON.stringify({ kinds: names.length })}\n`);
const underWay = new Set<Promise<void>>();
while (!closing.signal.aborted) {
  const name = names[random(names.length)] ?? "";
  counts[name] = (counts[name] ?? 0) + 1;
  const one: Promise<void> = (kinds[name]?.() ?? Promise.resolve()).finally(() => underWay.delete(one));
  underWay.add(one);
  await delay(pauseMs + random(8 * pauseMs));
}
process.stderr.write(`${JSON.stringify(counts)}\n`);
process.exit(0);
