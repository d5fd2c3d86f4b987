import { abortable, Bell, ByteLog, WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import { InboundStream } from "../lane/inbound-stream.ts";
import type { Lane } from "../lane/lane.ts";
import type { BufferShare, CapsuleBuffer } from "../memory/capsule-buffer.ts";

/** Bytes of one download that may wait on the host. */
const DOWNLOAD_WINDOW = 4 << 20;
/** What it may be sent before anything of it was taken, in the order of preference. */
const FIRST_WINDOWS = [262_144, 65_536] as const;
/** Bytes that are given out at a time. */
const PART = 65_536;

export interface FileDownloadDeps {
  readonly lane: Lane;
  /** The memory of the capsule. */
  readonly buffer: CapsuleBuffer;
}

export interface FileDownloadOptions {
  /** Bytes that may wait here; at most the guest's ring where it keeps one. */
  readonly window?: number;
  /** What it costs in addition to its bytes. */
  readonly overhead?: number;
}

/** The bytes of one stream of files, of READ for instance: taken in order, with bounded memory, and only complete when the guest says so. */
export class FileDownload {
  readonly #stream: InboundStream;
  readonly #share: BufferShare;
  readonly #log: ByteLog;
  readonly #window: number;
  readonly #first: number;
  readonly #overhead: number;
  #taken = 0;
  #ended = false;
  #closed = false;
  #failure: unknown;
  readonly #change = new Bell();

  /** @throws WrennError `guest_busy`. */
  constructor({ lane, buffer }: FileDownloadDeps, handle: number, options: FileDownloadOptions = {}) {
    const { window = DOWNLOAD_WINDOW, overhead = 0 } = options;
    this.#window = window;
    this.#overhead = overhead;
    this.#share = buffer.open();
    const [large, small] = FIRST_WINDOWS.map((size) => Math.min(size, window));
    if (large !== undefined && this.#share.reserve(large + overhead, "growth")) this.#first = large;
    else if (small !== undefined && this.#share.reserve(small + overhead)) this.#first = small;
    else throw new WrennError("guest_busy", { problem: "there is no room for another download" });
    this.#log = new ByteLog(window);
    this.#stream = new InboundStream(
      lane,
      guestChannel.streamId(handle, guestChannel.stream.output),
      this.#first,
      {
        onData: (offset, bytes) => {
          if (offset > this.#log.end)
            this.#failure ??= new WrennError("guest_protocol", { problem: "bytes of a file are missing" });
          else this.#log.append(bytes);
          this.#change.ring();
        },
        onEnd: (_final, status) => {
          if (status === 0) this.#ended = true;
          else this.#failure ??= new GuestRefusal(status, "the file could not be read to its end");
          this.#change.ring();
        },
        onFail: (cause) => {
          this.#failure ??= cause;
          this.#change.ring();
        },
      },
    );
  }

  /**
   * Lets the first bytes come.
   *
   * @param from - offset of the first byte that is wanted.
   * @throws WrennError `guest_protocol` for one that no file reaches.
   */
  open(from = 0): void {
    if (from === 0) return this.#stream.resume();
    this.#stream.startAt(from);
    this.#taken = from;
    this.#log.skipTo(from);
    this.#stream.grant(from + this.#first);
  }

  /** @throws whatever ended the stream before its end; the signal's reason. */
  async *bytes(signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      signal.throwIfAborted();
      const change = this.#change.next;
      const { bytes } = this.#log.read(this.#taken, PART);
      if (bytes.length > 0) {
        this.#taken += bytes.length;
        this.#log.forget(this.#taken);
        this.#admit();
        yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      await abortable(signal, change);
    }
  }

  /** Frees everything. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
    this.#log.forget(this.#log.end);
    this.#share.close();
  }

  /** Bytes were taken: as many more may come, and up to a whole window while the capsule's memory has room. */
  #admit(): void {
    if (this.#closed) return;
    for (const window of [this.#window, this.#first]) {
      const limit = this.#taken + window;
      if (limit - this.#stream.limit < window / 4) continue;
      if (!this.#share.reserve(this.#cost(limit), "growth") && window !== this.#first) continue;
      this.#stream.grant(limit);
      break;
    }
    this.#share.set(this.#cost(this.#stream.limit));
  }

  #cost(limit: number): number {
    const outstanding = this.#stream.ended ? 0 : limit - this.#stream.received;
    return this.#overhead + Math.max(this.#log.footprint + outstanding, this.#first);
  }
}
