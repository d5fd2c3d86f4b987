import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { guestChannel } from "@wrenn/protocol";

const { FRAME_HEADER, FRAME_TRAILER, RECORD_SIZE, FLAG_MORE, frameType, operation } = guestChannel;
const PART = Buffer.alloc(131_064, 0x61);

/** A generator of numbers below `bound` that a seed determines (mulberry32). */
export function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** What the guest knows of one connection. */
interface Peer {
  readonly socket: Socket;
  readonly epoch: number;
  readonly hello: Buffer;
}

type Trick = (peer: Peer, id: number, op: number, body: Buffer) => readonly Uint8Array[];

/** One lane of a guest that keeps to the protocol only as far as a seed says. Everything that it does is counted by name. */
export class HostileLane implements AsyncDisposable {
  readonly played = new Map<string, number>();
  readonly #random: (bound: number) => number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #handles: number[] = [];

  private constructor(random: (bound: number) => number) {
    this.#random = random;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async listen(path: string, random: (bound: number) => number): Promise<HostileLane> {
    const lane = new HostileLane(random);
    await new Promise<void>((resolve) => lane.#server.listen(path, resolve));
    return lane;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
    let rest: Buffer = Buffer.alloc(0);
    let peer: Peer | undefined;
    socket.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= FRAME_HEADER) {
        if (rest.readUInt32LE(0) !== peer?.epoch) {
          const at = rest.indexOf(guestChannel.helloMagic);
          if (at === -1 || rest.length < at + RECORD_SIZE) return;
          const hello = Buffer.from(rest.subarray(at, at + RECORD_SIZE));
          rest = rest.subarray(at + RECORD_SIZE);
          peer = { socket, epoch: hello.readUInt32LE(20), hello };
          this.#greet(peer);
          continue;
        }
        const size = FRAME_HEADER + rest.readUInt32LE(4) + FRAME_TRAILER;
        if (rest.length < size) return;
        const frame = Buffer.from(rest.subarray(0, size - FRAME_TRAILER));
        rest = rest.subarray(size);
        if (frame.readUInt8(8) === frameType.request) this.#answer(peer, frame);
      }
    });
  }

  #greet(peer: Peer): void {
    const trick = this.#random(20);
    const welcome = Buffer.concat([guestChannel.welcomeMagic, peer.hello.subarray(16)]);
    if (trick === 0) welcome.writeUInt32LE(99, 16);
    this.#count(trick === 0 ? "wrong version" : trick === 1 ? "late welcome" : "welcome");
    if (trick === 1) setTimeout(() => this.#write(peer, [welcome]), 60);
    else this.#write(peer, [welcome]);
  }

  #answer(peer: Peer, frame: Buffer): void {
    const payload = frame.subarray(FRAME_HEADER);
    if (payload.length < 8) return;
    const op = payload.readUInt16LE(0);
    const body = payload.subarray(8);
    const id = frame.readUInt32LE(12);
    if (op === operation.start || op === operation.read || op === operation.watch || op === operation.archive)
      this.#handles = [...this.#handles.slice(-20), body.readUInt32LE(0)];
    // Mostly well-behaved, so that every kind of work gets under way.
    const names = Object.keys(tricks);
    const name = this.#random(8) === 0 ? (names[this.#random(names.length)] ?? "") : "answer";
    this.#count(name);
    this.#write(peer, (tricks[name] ?? tricks["answer"] ?? (() => []))(peer, id, op, body));
    if (this.#random(12) === 0) this.#write(peer, this.#streamed(peer));
  }

  /** Bytes of a stream that may be open, sometimes as the protocol has them. */
  #streamed(peer: Peer): readonly Uint8Array[] {
    const handle = this.#handles[this.#random(this.#handles.length || 1)] ?? 1;
    const stream = guestChannel.streamId(handle, this.#random(3));
    const kind = this.#random(6);
    this.#count(`stream ${kind}`);
    if (kind === 0) return guestChannel.encodeEnd(peer.epoch, stream, this.#random(1000));
    if (kind === 1) return guestChannel.encodeWindow(peer.epoch, stream, this.#random(1000), 2 ** 52);
    if (kind === 2)
      return many(300, (n) => guestChannel.encodeData(peer.epoch, stream, n, PART.subarray(0, 1)));
    if (kind === 3)
      return guestChannel.encodeData(peer.epoch, stream, this.#random(2 ** 20), PART.subarray(0, 9000));
    return many(2, (n) => guestChannel.encodeData(peer.epoch, stream, n * PART.length, PART));
  }

  #write({ socket }: Peer, parts: readonly Uint8Array[]): void {
    // A guest has no more memory than this for what the host does not read.
    if (!socket.destroyed && socket.writableLength < 8 << 20) socket.write(Buffer.concat(parts));
  }

  #count(name: string): void {
    this.played.set(name, (this.played.get(name) ?? 0) + 1);
  }
}

function many(count: number, frames: (index: number) => readonly Uint8Array[]): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) => frames(index)).flat();
}

function respond(peer: Peer, id: number, body: Uint8Array, flags = 0, status = 0): readonly Uint8Array[] {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(status);
  return guestChannel.encodeFrame(peer.epoch, frameType.response, id, [head, body], flags);
}

const entry = (path: string): Buffer =>
  new guestChannel.BodyWriter()
    .text(path)
    .u8(1)
    .u32(0o644)
    .u32(0)
    .u32(0)
    .text("root")
    .text("root")
    .u64(2 ** 40)
    .u64(0)
    .u64(1)
    .u32(1)
    .text("")
    .u8(0)
    .u8(0)
    .finish();

const data = (stream: number) => (peer: Peer, offset: number, bytes: Uint8Array) =>
  guestChannel.encodeData(peer.epoch, stream, offset, bytes);

const honest: Trick = (peer, id, op) => {
  if (op === operation.wait) return [];
  const body =
    op === operation.start
      ? new guestChannel.BodyWriter()
          .u32(100 + (id % 1000))
          .u64(1)
          .u64(2 ** 40)
      : undefined;
  return respond(peer, id, body?.finish() ?? entry("/x"));
};

/** A frame with some bytes behind `from` changed, which its id determines. */
function damaged(parts: readonly Uint8Array[], id: number, from: number): readonly Uint8Array[] {
  const frame = Buffer.concat(parts);
  const random = seeded(id);
  const room = frame.length - from - FRAME_TRAILER;
  const changes = room > 0 ? 1 + random(6) : 0;
  for (let change = 0; change < changes; change++) frame[from + random(room)] = random(256);
  return [frame];
}

const tricks: Readonly<Record<string, Trick>> = {
  answer: honest,
  silence: () => [],
  refusal: (peer, id) => respond(peer, id, Buffer.from("no".repeat(30_000)), 0, 1002),
  "short answer": (peer, id) =>
    guestChannel.encodeFrame(peer.epoch, frameType.response, id, [Buffer.alloc(2)]),
  "answer without end": (peer, id) => many(20, () => respond(peer, id, PART.subarray(0, 100_000), FLAG_MORE)),
  "answer in bytes": (peer, id) =>
    many(500, () =>
      guestChannel.encodeFrame(peer.epoch, frameType.response, id, [PART.subarray(0, 1)], FLAG_MORE),
    ),
  "empty parts": (peer, id) =>
    many(500, () => guestChannel.encodeFrame(peer.epoch, frameType.response, id, [], FLAG_MORE)),
  "list of everything": (peer, id) => respond(peer, id, Buffer.alloc(4, 0xff)),
  "answers nobody asked for": (peer, id) =>
    many(200, (n) => respond(peer, id + 1000 + n, PART.subarray(0, 100))),
  "answer twice": (peer, id) => [...respond(peer, id, entry("/x")), ...respond(peer, id, entry("/x"))],
  "unknown streams": (peer) => many(300, (n) => data(4_000_001 + n * 4)(peer, 0, PART.subarray(0, 50))),
  "unknown frames": (peer, id) =>
    many(50, (n) => guestChannel.encodeFrame(peer.epoch, 7 + n, id, [PART.subarray(0, 9)])),
  "window overrun": (peer, _id, _op, body) =>
    body.length < 4
      ? []
      : many(80, (n) =>
          data(guestChannel.streamId(body.readUInt32LE(0) % 2 ** 29, 1))(peer, n * PART.length, PART),
        ),
  "far offset": (peer, _id, _op, body) =>
    body.length < 4
      ? []
      : data(guestChannel.streamId(body.readUInt32LE(0) % 2 ** 29, 1))(peer, 2 ** 52, PART),
  "offset beyond 2^53": (peer, _id, _op, body) =>
    body.length < 4
      ? []
      : guestChannel.encodeFrame(
          peer.epoch,
          frameType.data,
          guestChannel.streamId(body.readUInt32LE(0) % 2 ** 29, 1),
          [Buffer.alloc(12, 0xff)],
        ),
  "welcome again and again": (peer) =>
    many(200, () => [Buffer.concat([guestChannel.welcomeMagic, peer.hello.subarray(16)])]),
  "wrong epoch": (peer, id) =>
    guestChannel.encodeFrame((peer.epoch ^ 1) >>> 0, frameType.response, id, [PART.subarray(0, 9)]),
  "wrong trailer": (peer, id) => [...respond(peer, id, PART.subarray(0, 9)).slice(0, -1), Buffer.alloc(4)],
  "length of 4 GiB": (peer) => {
    const head = Buffer.alloc(16, 0xff);
    head.writeUInt32LE(peer.epoch);
    return [head];
  },
  "half a frame": (peer, id) => [Buffer.concat(respond(peer, id, PART.subarray(0, 1000))).subarray(0, 500)],
  "damaged answer": (peer, id, op, body) => damaged(honest(peer, id, op, body), id, FRAME_HEADER),
  "damaged frame": (peer, id, op, body) => damaged(honest(peer, id, op, body), id, 0),
  noise: () => [PART.subarray(0, 60_000)],
  hangup: (peer) => {
    peer.socket.destroy();
    return [];
  },
};

/** The name of everything that a lane may do to a request. */
export const trickNames: readonly string[] = Object.keys(tricks);
