import { helloMagic, PROTOCOL_VERSION, RECORD_SIZE, welcomeMagic } from "./constants.ts";

/** Identity of one connection. */
export interface Hello {
  readonly epoch: number;
  readonly nonce: Uint8Array;
  readonly linkId: bigint;
  readonly lane: number;
}

export interface Welcome {
  readonly version: number;
  readonly instance: bigint;
}

export function encodeHello(hello: Hello): Buffer {
  const record = Buffer.alloc(RECORD_SIZE);
  record.set(helloMagic, 0);
  record.writeUInt32LE(PROTOCOL_VERSION, 16);
  record.writeUInt32LE(hello.epoch, 20);
  record.set(hello.nonce, 24);
  record.writeBigUInt64LE(hello.linkId, 40);
  record.writeUInt32LE(hello.lane, 48);
  return record;
}

/** The welcome at the start of `bytes` if it answers `hello`; undefined otherwise. */
export function decodeWelcome(bytes: Buffer, hello: Hello): Welcome | undefined {
  if (bytes.length < RECORD_SIZE || bytes.compare(welcomeMagic, 0, 16, 0, 16) !== 0) return undefined;
  if (bytes.readUInt32LE(20) !== hello.epoch || bytes.compare(hello.nonce, 0, 16, 24, 40) !== 0)
    return undefined;
  if (bytes.readUInt32LE(48) !== hello.lane) return undefined;
  return { version: bytes.readUInt32LE(16), instance: bytes.readBigUInt64LE(40) };
}
