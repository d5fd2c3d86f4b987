import { abortable, Bell } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import { InboundStream } from "../lane/inbound-stream.ts";
import type { Lane } from "../lane/lane.ts";

/** Bytes of one download that may wait on the host. */
const DOWNLOAD_WINDOW = 4 << 20;

/** The bytes of one stream of files, of READ for instance: taken in order, with bounded memory, and only complete when the guest says so. */
export class FileDownload {
  readonly #stream: InboundStream;
  readonly #window: number;
  readonly #chunks: Buffer[] = [];
  #taken = 0;
  #ended = false;
  #failure: unknown;
  readonly #change = new Bell();

  /** @param window - bytes that may wait here; at most the guest's ring where it keeps one. */
  constructor(lane: Lane, handle: number, window = DOWNLOAD_WINDOW) {
    this.#window = window;
    this.#stream = new InboundStream(
      lane,
      guestChannel.streamId(handle, guestChannel.stream.output),
      window,
      {
        onData: (_offset, bytes) => {
          this.#chunks.push(bytes);
          this.#change.ring();
        },
        onEnd: (_final, status) => {
          if (status === 0) this.#ended = true;
          else this.#failure = new GuestRefusal(status, "the file could not be read to its end");
          this.#change.ring();
        },
        onFail: (cause) => {
          this.#failure = cause;
          this.#change.ring();
        },
      },
    );
  }

  /** Lets the first bytes come. @param from - offset of the first byte that is wanted. */
  open(from = 0): void {
    if (from === 0) return this.#stream.resume();
    this.#taken = from;
    this.#stream.startAt(from);
    this.#stream.grant(from + this.#window);
  }

  /** @throws whatever ended the stream before its end. */
  async *bytes(signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const change = this.#change.next;
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#taken += chunk.length;
        this.#stream.grantAtLeast(this.#taken + this.#window, this.#window / 4);
        yield chunk;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      await abortable(signal, change);
    }
  }

  close(): void {
    this.#stream.close();
  }
}
