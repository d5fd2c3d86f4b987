import { connect, Socket } from "node:net";
import type { OnReadOpts } from "node:net";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame, Hello, Welcome } from "@wrenn/protocol";

const FIRST_REPEAT_MS = 50;
const REPEAT_MAX_MS = 2000;
/**
 * What arrives on any connection is read into this memory and is decoded before the next read. New memory for each read would make
 * the garbage collector run every few reads, and it stands in the way of everything else for longer than the bytes do.
 */
const arrived = Buffer.allocUnsafeSlow(128 << 10);

export interface ConnectionEvents {
  readonly onFrame: (frame: Frame) => void;
  /** The kernel has taken everything that was sent. */
  readonly onDrain: () => void;
  /** The connection is over; called once, also when it never came up. */
  readonly onClose: (cause: unknown) => void;
}

/** Connects to the socket of a lane and returns the descriptor, which does not block. @throws when it cannot, or must not. */
export type LaneDial = (path: string) => number;

/** Where a lane connects to, and how: by default as anybody would. */
export interface LanePlace {
  readonly path: string;
  readonly dial?: LaneDial;
}

/** One connection of a lane: handshake, then frames. */
export class Connection {
  readonly epoch: number;
  /** Resolves with the guest's welcome. */
  readonly welcome: Promise<Welcome>;
  readonly #socket: Socket;
  /** Aborted once the greeting need not be repeated. */
  readonly #greeted = new AbortController();
  readonly #closed = new AbortController();
  #cause: unknown;
  /** Frames are held until the end of what runs now. */
  #gathers = false;

  /** @param clock - measures the pauses between repeated greetings. */
  constructor(place: LanePlace, hello: Hello, events: ConnectionEvents, clock: Clock) {
    this.epoch = hello.epoch;
    const { promise, resolve, reject } = Promise.withResolvers<Welcome>();
    this.welcome = promise;
    promise.catch(() => {});
    const decoder = new guestChannel.FrameDecoder(hello);
    const take = (bytes: Buffer): void => {
      try {
        decoder.push(bytes, events.onFrame);
        if (decoder.welcome && !this.#greeted.signal.aborted) this.#welcomed(decoder.welcome, resolve);
      } catch (error) {
        this.#cause ??= error;
        socket.destroy();
      }
    };
    const onread = {
      buffer: arrived,
      callback: (length: number): boolean => {
        take(arrived.subarray(0, length));
        // What stops the reading is `pause`.
        return true;
      },
    };
    // Rejects only with the abort that ends it.
    const greet = (): void => void this.#greet(guestChannel.encodeHello(hello), clock).catch(() => {});
    const socket = openSocket(place, onread, greet);
    this.#socket = socket;
    socket.on("error", (error) => (this.#cause ??= error));
    socket.on("drain", events.onDrain);
    socket.once("close", () => {
      this.#greeted.abort();
      this.#closed.abort();
      this.#cause ??= new Error("the connection ended");
      reject(this.#cause);
      events.onClose(this.#cause);
    });
  }

  /** Bytes that the kernel has not taken yet. */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  /**
   * Writes frames, with all others of this turn of the event loop in one go: each write wakes the machine, and a command begins with
   * several frames.
   */
  send(parts: readonly Uint8Array[]): void {
    if (this.#socket.destroyed) return;
    if (!this.#gathers) {
      this.#gathers = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#gathers = false;
        this.#socket.uncork();
      });
    }
    for (const part of parts) this.#socket.write(part);
  }

  /** Reads nothing for `ms` milliseconds. */
  async rest(ms: number, clock: Clock): Promise<void> {
    this.#socket.pause();
    await clock.sleep(ms, this.#closed.signal);
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #welcomed(welcome: Welcome, resolve: (welcome: Welcome) => void): void {
    this.#greeted.abort();
    if (welcome.version !== guestChannel.PROTOCOL_VERSION) {
      throw new WrennError("guest_protocol", { problem: `the guest speaks version ${welcome.version}` });
    }
    resolve(welcome);
  }

  /**
   * Sends the hello until the guest answers. The guest may not listen yet, or be in the middle of a frame of an earlier
   * connection, which the padding completes. The pauses double: a slow guest has to read every repetition.
   */
  async #greet(record: Buffer, clock: Clock): Promise<void> {
    this.#socket.write(record);
    for (let pause = FIRST_REPEAT_MS; ; pause = Math.min(pause * 2, REPEAT_MAX_MS)) {
      await clock.sleep(pause, this.#greeted.signal);
      // What is still queued has not been read: more of the same would not help.
      if (this.#socket.writableLength > 0) continue;
      this.#socket.write(Buffer.alloc(guestChannel.RESYNC_PADDING));
      this.#socket.write(record);
    }
  }
}

/** @param connected - called later, once bytes can be written. */
function openSocket({ path, dial }: LanePlace, onread: OnReadOpts, connected: () => void): Socket {
  if (!dial) return connect({ path, onread }).on("connect", connected);
  let fd: number;
  try {
    fd = dial(path);
  } catch (error) {
    return new Socket().destroy(error instanceof Error ? error : new Error(String(error)));
  }
  const socket = new Socket({ fd, onread, readable: true, writable: true });
  process.nextTick(connected);
  return socket;
}
