/** What the first bytes of a TLS connection say. The bytes are a stranger's: every length is checked before it is used. */
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

const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
const INCOMPLETE: HelloResult = { state: "incomplete" };

/**
 * Reads the server name (RFC 6066 §3) of a ClientHello (RFC 8446 §4.1.2) that comes in pieces. Each byte is looked at once, however
 * small the pieces and the records are.
 */
export class ClientHelloReader {
  /** The handshake message without the headers of its records. */
  #message = Buffer.alloc(2048);
  #messageBytes = 0;
  #received = 0;
  readonly #header = Buffer.alloc(RECORD_HEADER);
  #headerBytes = 0;
  /** Bytes of the record at hand that have not come yet. */
  #recordLeft = 0;

  /** Takes the next bytes. After a result other than `incomplete` it takes no more. */
  push(piece: Buffer): HelloResult {
    this.#received += piece.length;
    let offset = 0;
    while (offset < piece.length) {
      if (this.#recordLeft > 0) {
        const taken = Math.min(this.#recordLeft, piece.length - offset);
        this.#append(piece.subarray(offset, offset + taken));
        offset += taken;
        this.#recordLeft -= taken;
        const result = this.#read();
        if (result.state !== "incomplete") return result;
        continue;
      }
      this.#header[this.#headerBytes] = piece[offset] ?? 0;
      this.#headerBytes += 1;
      offset += 1;
      const problem = this.#readHeader();
      if (problem !== undefined) return { state: "invalid", problem };
    }
    return this.#received < MAX_HELLO_BYTES
      ? INCOMPLETE
      : { state: "invalid", problem: "the ClientHello is too long" };
  }

  #readHeader(): string | undefined {
    const at = this.#headerBytes;
    if ((at === 1 && this.#header[0] !== HANDSHAKE_RECORD) || (at === 2 && this.#header[1] !== 3))
      return "not TLS";
    if (at < RECORD_HEADER) return undefined;
    this.#headerBytes = 0;
    this.#recordLeft = this.#header.readUInt16BE(3);
    // RFC 8446 §5.1 forbids them: a hello of them would never end.
    return this.#recordLeft === 0 ? "a record is empty" : undefined;
  }

  #append(bytes: Buffer): void {
    const needed = this.#messageBytes + bytes.length;
    if (needed > this.#message.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#message.length * 2));
      this.#message.copy(larger, 0, 0, this.#messageBytes);
      this.#message = larger;
    }
    bytes.copy(this.#message, this.#messageBytes);
    this.#messageBytes = needed;
  }

  /** What follows the hello may be anything, early data for instance. */
  #read(): HelloResult {
    if (this.#messageBytes > 0 && this.#message[0] !== CLIENT_HELLO)
      return { state: "invalid", problem: "the first message is no ClientHello" };
    if (this.#messageBytes < MESSAGE_HEADER) return INCOMPLETE;
    const end = MESSAGE_HEADER + this.#message.readUIntBE(1, 3);
    return this.#messageBytes < end ? INCOMPLETE : readMessage(this.#message.subarray(MESSAGE_HEADER, end));
  }
}

function readMessage(message: Buffer): HelloResult {
  const reader = new Reader(message);
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
