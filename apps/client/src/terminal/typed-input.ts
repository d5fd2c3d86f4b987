import type { Terminal as RemoteTerminal } from "@wrenn/sdk";
import type { DetachKeys } from "./detach-keys.ts";

/** Bytes that may wait for the program before the keyboard is no longer read. Keys that leave are seen up to there. */
const WAITING_BYTES = 1 << 20;
const CTRL_C = 3;

export interface TypedInputListener {
  readonly onDetach: () => void;
  /** Ctrl-C was typed, which the program gets as well. */
  readonly onInterrupt: () => void;
}

/** What is typed, on its way to the program of a terminal in a capsule. */
export class TypedInput {
  readonly #stdin: NodeJS.ReadStream;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array | string>;
  readonly #keys: DetachKeys | undefined;
  readonly #listener: TypedInputListener;
  #waiting = 0;
  #isStopped = false;

  constructor(
    stdin: NodeJS.ReadStream,
    { writable }: RemoteTerminal,
    keys: DetachKeys | undefined,
    listener: TypedInputListener,
  ) {
    this.#stdin = stdin;
    this.#writer = writable.getWriter();
    // Its end is that of the terminal, which is reported there.
    this.#writer.closed.catch(() => undefined);
    this.#keys = keys;
    this.#listener = listener;
  }

  start(): void {
    this.#stdin.on("data", this.#onData);
    this.#stdin.once("end", this.#listener.onDetach);
    this.#stdin.resume();
  }

  /** Discards what is typed from now on. */
  stop(): void {
    this.#isStopped = true;
    this.#stdin.off("data", this.#onData);
    this.#stdin.off("end", this.#listener.onDetach);
  }

  readonly #onData = (bytes: Buffer): void => {
    const { send, isDetach } = this.#keys?.type(bytes) ?? { send: bytes, isDetach: false };
    if (send.length > 0) this.#send(send);
    if (send.includes(CTRL_C)) this.#listener.onInterrupt();
    if (isDetach) this.#listener.onDetach();
  };

  #send(bytes: Uint8Array): void {
    this.#waiting += bytes.length;
    if (this.#waiting > WAITING_BYTES) this.#stdin.pause();
    const taken = (): void => {
      this.#waiting -= bytes.length;
      if (!this.#isStopped && this.#waiting <= WAITING_BYTES && this.#stdin.isPaused()) this.#stdin.resume();
    };
    this.#writer.write(bytes).then(taken, taken);
  }
}
