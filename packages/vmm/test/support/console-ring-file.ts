import { open } from "node:fs/promises";
import { hasCode } from "@wrenn/system";

const HEADER_BYTES = 32;
const CAPACITY = 256 << 10;

/** Writes to a console as a machine's supervisor does (native/jail/src/console.h), making the file if it is not there. */
export async function writeToConsole(path: string, text: string | Uint8Array): Promise<void> {
  const file = await open(path, "r+").catch(async (error: unknown) => {
    if (hasCode(error, "ENOENT")) return await open(path, "wx+");
    throw error;
  });
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    await file.read(header, 0, HEADER_BYTES, 0);
    let total = Number(header.readBigUInt64LE(16));
    for (const byte of piecesOf(Buffer.from(text), total)) {
      await file.write(byte, 0, byte.length, HEADER_BYTES + (total % CAPACITY));
      total += byte.length;
    }
    header.write("WRENNCON", 0, "latin1");
    header.writeUInt32LE(1, 8);
    header.writeUInt32LE(CAPACITY, 12);
    header.writeBigUInt64LE(BigInt(total), 16);
    await file.write(header, 0, HEADER_BYTES, 0);
  } finally {
    await file.close();
  }
}

/** Parts that do not cross the end of the ring. */
function* piecesOf(bytes: Buffer, start: number): Generator<Buffer, void> {
  for (let at = 0; at < bytes.length;) {
    const room = CAPACITY - ((start + at) % CAPACITY);
    yield bytes.subarray(at, at + room);
    at += room;
  }
}
