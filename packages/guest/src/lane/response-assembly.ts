import { ByteLog, WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Frame } from "@wrenn/protocol";
import type { BufferShare, CapsuleBuffer } from "../memory/capsule-buffer.ts";

const { operation } = guestChannel;
/** Operations whose answers may take several frames: lists. Every other answer is a frame. */
const LONG_ANSWERS: ReadonlySet<number> = new Set([
  operation.list,
  operation.listDirectory,
  operation.listPage,
  operation.attributes,
  operation.ports,
  operation.configure,
]);

/** The parts of one response, which count against the capsule's memory until they are complete. */
export class ResponseAssembly {
  readonly #op: number;
  readonly #buffer: CapsuleBuffer;
  #parts: { readonly log: ByteLog; readonly share: BufferShare } | undefined;

  constructor(op: number, buffer: CapsuleBuffer) {
    this.#op = op;
    this.#buffer = buffer;
  }

  /**
   * Takes a frame; returns the whole response after the last one.
   *
   * @throws WrennError `guest_protocol` for a response longer than its operation may have, `guest_busy` for one without room.
   */
  take({ payload, flags }: Frame): Buffer | undefined {
    const more = (flags & guestChannel.FLAG_MORE) !== 0;
    if (!more && !this.#parts) return Buffer.from(payload);
    const { log, share } = (this.#parts ??= {
      log: new ByteLog(guestChannel.MAX_RESPONSE),
      share: this.#buffer.open(),
    });
    const limit = LONG_ANSWERS.has(this.#op) ? guestChannel.MAX_RESPONSE : guestChannel.MAX_PAYLOAD;
    if (log.end + payload.length > limit)
      throw new WrennError("guest_protocol", { problem: `an answer to operation ${this.#op} without end` });
    log.append(payload);
    if (!share.reserve(log.footprint, "request")) {
      this.discard();
      throw new WrennError("guest_busy", { problem: "there is no room for the answer" });
    }
    if (more) return undefined;
    const { bytes } = log.read(0);
    this.discard();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  discard(): void {
    this.#parts?.share.close();
    this.#parts = undefined;
  }
}
