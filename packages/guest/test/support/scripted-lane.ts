import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { guestChannel } from "@wrenn/protocol";

const { FRAME_HEADER, FRAME_TRAILER, RECORD_SIZE, frameType, helloMagic, welcomeMagic } = guestChannel;

/** What the lane says to a request: the answer, and frames that follow it. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly stream?: (epoch: number) => readonly Uint8Array[];
}

/** A lane of an agent that answers as a test says, for instance like one of an earlier version. */
export class ScriptedLane implements AsyncDisposable {
  readonly #server: Server;
  readonly #answer: (op: number, body: Buffer) => ScriptedAnswer;
  readonly #sockets = new Set<Socket>();

  private constructor(answer: (op: number, body: Buffer) => ScriptedAnswer) {
    this.#answer = answer;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async listen(
    path: string,
    answer: (op: number, body: Buffer) => ScriptedAnswer,
  ): Promise<ScriptedLane> {
    const lane = new ScriptedLane(answer);
    await new Promise<void>((resolve) => lane.#server.listen(path, resolve));
    return lane;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    // The host may let go of it in the middle.
    socket.on("error", () => socket.destroy());
    let rest: Buffer = Buffer.alloc(0);
    let epoch: number | undefined;
    socket.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= FRAME_HEADER) {
        // A host that waits for its welcome says hello again, behind zeros.
        if (rest.readUInt32LE(0) !== epoch) {
          const at = rest.indexOf(helloMagic);
          if (at === -1 || rest.length < at + RECORD_SIZE) return;
          const hello = rest.subarray(at, at + RECORD_SIZE);
          epoch = hello.readUInt32LE(20);
          // Version, epoch, nonce and lane are those of the hello; the link id becomes the instance.
          socket.write(Buffer.concat([welcomeMagic, hello.subarray(welcomeMagic.length)]));
          rest = rest.subarray(at + RECORD_SIZE);
          continue;
        }
        const size = FRAME_HEADER + rest.readUInt32LE(4) + FRAME_TRAILER;
        if (rest.length < size) return;
        this.#take(socket, epoch, rest.subarray(0, size - FRAME_TRAILER));
        rest = rest.subarray(size);
      }
    });
  }

  #take(socket: Socket, epoch: number, frame: Buffer): void {
    if (frame.readUInt8(8) !== frameType.request) return;
    const payload = frame.subarray(FRAME_HEADER);
    const { status, body, stream } = this.#answer(payload.readUInt16LE(0), payload.subarray(8));
    const head = Buffer.alloc(4);
    head.writeUInt32LE(status);
    const id = frame.readUInt32LE(12);
    socket.write(Buffer.concat(guestChannel.encodeFrame(epoch, frameType.response, id, [head, body])));
    if (stream) socket.write(Buffer.concat(stream(epoch)));
  }

  /** Ends every connection; the host makes new ones. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
