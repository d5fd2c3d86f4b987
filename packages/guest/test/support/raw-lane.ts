import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { guestChannel } from "@wrenn/protocol";

const CONNECT_MS = 10_000;

/** One connection of a lane that sends whatever a test wants, well-formed or not. */
export class RawLane {
  readonly epoch = 0x1234_5678;
  readonly #socket: Socket;
  readonly #answers = new Map<number, PromiseWithResolvers<number>>();

  private constructor(socket: Socket, decoder: guestChannel.FrameDecoder) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) =>
      decoder.push(bytes, (frame) => {
        if (frame.type === guestChannel.frameType.response)
          this.#answer(frame.id).resolve(frame.payload.readUInt32LE());
      }),
    );
  }

  static async open(path: string, lane: number): Promise<RawLane> {
    const socket = connect(path);
    const hello = {
      epoch: 0x1234_5678,
      nonce: randomBytes(16),
      linkId: randomBytes(8).readBigUInt64LE(),
      lane,
    };
    const raw = new RawLane(socket, new guestChannel.FrameDecoder(hello));
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
    socket.write(guestChannel.encodeHello(hello));
    return raw;
  }

  send(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#socket.write(frame);
  }

  request(id: number, op: number, body: Uint8Array): void {
    this.send(guestChannel.encodeRequest(this.epoch, id, op, 0, body));
  }

  /** Resolves with the status that the request is answered with. */
  async status(id: number): Promise<number> {
    return await this.#answer(id).promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #answer(id: number): PromiseWithResolvers<number> {
    const known = this.#answers.get(id) ?? Promise.withResolvers<number>();
    this.#answers.set(id, known);
    return known;
  }
}
