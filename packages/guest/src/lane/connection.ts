import { connect } from "node:net";
import type { Socket } from "node:net";
import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame, Hello, Welcome } from "@wrenn/protocol";

const FIRST_REPEAT_MS = 50;
const REPEAT_MS = 250;

export interface ConnectionEvents {
  readonly onFrame: (frame: Frame) => void;
  /** The connection is over; called once, also when it never came up. */
  readonly onClose: (cause: unknown) => void;
}

/** One connection of a lane: handshake, then frames. */
export class Connection {
  readonly epoch: number;
  /** Resolves with the guest's welcome. */
  readonly welcome: Promise<Welcome>;
  readonly #socket: Socket;
  #timer: NodeJS.Timeout | undefined;
  #cause: unknown;

  constructor(path: string, hello: Hello, events: ConnectionEvents) {
    this.epoch = hello.epoch;
    const { promise, resolve, reject } = Promise.withResolvers<Welcome>();
    this.welcome = promise;
    promise.catch(() => {});
    const decoder = new guestChannel.FrameDecoder(hello);
    const socket = connect(path);
    this.#socket = socket;
    socket.on("connect", () => this.#sayHello(guestChannel.encodeHello(hello)));
    socket.on("error", (error) => (this.#cause ??= error));
    socket.on("data", (bytes: Buffer) => {
      try {
        decoder.push(bytes, events.onFrame);
        if (decoder.welcome) this.#welcomed(decoder.welcome, resolve);
      } catch (error) {
        this.#cause ??= error;
        socket.destroy();
      }
    });
    socket.once("close", () => {
      clearTimeout(this.#timer);
      this.#cause ??= new Error("the connection ended");
      reject(this.#cause);
      events.onClose(this.#cause);
    });
  }

  /** Bytes that the kernel has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  /** Writes frames in one go. */
  send(parts: readonly Uint8Array[]): void {
    if (this.#socket.destroyed) return;
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  close(): void {
    this.#socket.destroy();
  }

  #welcomed(welcome: Welcome, resolve: (welcome: Welcome) => void): void {
    clearTimeout(this.#timer);
    if (welcome.version !== guestChannel.PROTOCOL_VERSION) {
      throw new WrennError("guest_protocol", { problem: `the guest speaks version ${welcome.version}` });
    }
    resolve(welcome);
  }

  /** The guest may not listen yet, or be in the middle of a frame of an earlier connection, which the padding completes. */
  #sayHello(record: Buffer): void {
    this.#socket.write(record);
    let wait = FIRST_REPEAT_MS;
    const repeat = (): void => {
      // What is still queued has not been read: more of the same would not help.
      if (this.#socket.writableLength === 0) {
        this.#socket.write(Buffer.alloc(guestChannel.RESYNC_PADDING));
        this.#socket.write(record);
      }
      wait = REPEAT_MS;
      this.#timer = setTimeout(repeat, wait);
    };
    this.#timer = setTimeout(repeat, wait);
  }
}
