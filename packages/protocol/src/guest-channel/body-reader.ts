import { WrennError } from "@wrenn/core";

/** Longest list where nothing smaller is known. */
const LIST_LIMIT = 65_536;

/** Reads a payload from the guest, which is hostile: every length is checked. */
export class BodyReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** @throws WrennError `guest_protocol` above 2^53 − 1. */
  u64(): number {
    const value = this.bigint();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new WrennError("guest_protocol", { problem: `number out of range: ${value}` });
    return Number(value);
  }

  bigint(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  signed64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** A list of at most `limit` items; `read` is called once per item, and each item takes at least one byte. */
  list<T>(read: () => T, limit: number = LIST_LIMIT): T[] {
    const count = this.u32();
    if (count > limit) throw new WrennError("guest_protocol", { problem: `a list of ${count} items` });
    if (count > this.left)
      throw new WrennError("guest_protocol", { problem: `a list of ${count} items in ${this.left} bytes` });
    const items: T[] = [];
    for (let index = 0; index < count; index++) items.push(read());
    return items;
  }

  #take(length: number): number {
    if (length > this.left)
      throw new WrennError("guest_protocol", {
        problem: `a field of ${length} bytes where ${this.left} are left`,
      });
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
