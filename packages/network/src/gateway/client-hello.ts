/** What the first bytes of a TLS connection say. The bytes are a guest's: every length is checked before it is used. */
export type HelloResult =
  | { readonly state: "incomplete" }
  | { readonly state: "invalid"; readonly problem: string }
  | { readonly state: "complete"; readonly serverName: string | undefined };

/** Browsers send less than 2 KiB, with post-quantum key shares and tickets. */
export const MAX_HELLO_BYTES = 32_768;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;

/** Reads the server name (RFC 6066 §3) of a ClientHello (RFC 8446 §4.1.2) that begins with the first of `bytes`. */
export function readClientHello(bytes: Buffer): HelloResult {
  const handshake = joinRecords(bytes);
  if (handshake.problem !== undefined) return { state: "invalid", problem: handshake.problem };
  const { message } = handshake;
  if (message.length > 0 && message[0] !== CLIENT_HELLO)
    return { state: "invalid", problem: "the first message is no ClientHello" };
  if (message.length < 4) return incompleteOrTooLong(bytes);
  const length = message.readUIntBE(1, 3);
  if (message.length < 4 + length) return incompleteOrTooLong(bytes);
  const reader = new Reader(message.subarray(4, 4 + length));
  // Version, random, session id, cipher suites, compression methods.
  reader.skip(2 + 32);
  reader.vector(1);
  reader.vector(2);
  reader.vector(1);
  const serverName = reader.done ? undefined : serverNameIn(new Reader(reader.vector(2)));
  return reader.failed || serverName === null
    ? { state: "invalid", problem: "the ClientHello is malformed" }
    : { state: "complete", serverName };
}

function incompleteOrTooLong(bytes: Buffer): HelloResult {
  return bytes.length < MAX_HELLO_BYTES
    ? { state: "incomplete" }
    : { state: "invalid", problem: "the ClientHello is too long" };
}

/** The handshake bytes of the records that are there, the last of which may be cut. */
function joinRecords(bytes: Buffer): { readonly message: Buffer; readonly problem?: string } {
  const message = Buffer.alloc(bytes.length);
  let length = 0;
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes[offset] !== HANDSHAKE_RECORD || (bytes[offset + 1] ?? 3) !== 3)
      return { message: Buffer.alloc(0), problem: "not TLS" };
    if (bytes.length < offset + 5) break;
    const end = offset + 5 + bytes.readUInt16BE(offset + 3);
    length += bytes.copy(message, length, offset + 5, end);
    // What follows the hello may be anything, early data for instance.
    if (length >= 4 && length >= 4 + message.readUIntBE(1, 3)) break;
    offset = end;
  }
  return { message: message.subarray(0, length) };
}

/** The host name in the extensions; undefined when there is none, null when they are malformed. */
function serverNameIn(extensions: Reader): string | undefined | null {
  while (!extensions.done) {
    const type = extensions.number(2);
    const data = new Reader(extensions.vector(2));
    if (type !== SERVER_NAME_EXTENSION) continue;
    const names = new Reader(data.vector(2));
    const kind = names.number(1);
    const name = names.vector(2).toString("latin1");
    if (extensions.failed || names.failed || data.failed || kind !== HOST_NAME) return null;
    return /^[a-zA-Z0-9_.-]{1,255}$/.test(name) ? name.toLowerCase().replace(/\.$/, "") : null;
  }
  return extensions.failed ? null : undefined;
}

/** Reads forward through bytes; past their end it fails for good and yields nothing. */
class Reader {
  readonly #bytes: Buffer;
  #offset = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.failed || this.#offset === this.#bytes.length;
  }

  skip(length: number): void {
    this.#take(length);
  }

  number(size: number): number {
    const bytes = this.#take(size);
    return bytes.length === 0 ? 0 : bytes.readUIntBE(0, size);
  }

  /** Bytes that are preceded by their length in `size` bytes. */
  vector(size: number): Buffer {
    return this.#take(this.number(size));
  }

  #take(length: number): Buffer {
    if (this.failed || this.#offset + length > this.#bytes.length) {
      this.failed = true;
      return Buffer.alloc(0);
    }
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }
}
