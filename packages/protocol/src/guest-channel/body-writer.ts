/** Builds a payload of little-endian fields. */
export class BodyWriter {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    return this.#push(1, (part) => part.writeUInt8(value));
  }

  u16(value: number): this {
    return this.#push(2, (part) => part.writeUInt16LE(value));
  }

  u32(value: number): this {
    return this.#push(4, (part) => part.writeUInt32LE(value));
  }

  u64(value: number | bigint): this {
    return this.#push(8, (part) => part.writeBigUInt64LE(BigInt(value)));
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.length));
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, "utf8"));
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #push(size: number, write: (part: Buffer) => void): this {
    const part = Buffer.allocUnsafe(size);
    write(part);
    this.#parts.push(part);
    return this;
  }
}
