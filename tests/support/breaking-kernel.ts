import { writeFile } from "node:fs/promises";

const LOAD_AT = 0x10_0000;
const CODE_OFFSET = 0x1000;
/** `mov eax, 0xd0000000; jmp eax`: no memory is there, and no KVM executes code from where none is. */
const BREAKING = Buffer.from([0xb8, 0x00, 0x00, 0x00, 0xd0, 0xff, 0xe0]);
/** A jump to itself. */
const SPINNING = Buffer.from([0xeb, 0xfe]);
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
/** Type of the ELF note that names the entry for virtual machines (Xen's PVH). */
const PHYS32_ENTRY = 18;

/** Writes a kernel that KVM cannot continue: QEMU stops its machine with an internal error, as it does for faults of a real one. */
export async function writeBreakingKernel(path: string): Promise<void> {
  await writeKernel(path, BREAKING);
}

/** Writes a kernel that runs for as long as it is let, also where KVM only emulates. */
export async function writeSpinningKernel(path: string): Promise<void> {
  await writeKernel(path, SPINNING);
}

async function writeKernel(path: string, code: Buffer): Promise<void> {
  const noteAt = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
  const note = Buffer.alloc(24);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(PHYS32_ENTRY, 8);
  note.write("Xen\0", 12);
  note.writeBigUInt64LE(BigInt(LOAD_AT), 16);
  const file = Buffer.alloc(CODE_OFFSET + code.length);
  elfHeader().copy(file, 0);
  programHeader({
    type: 1,
    offset: CODE_OFFSET,
    address: LOAD_AT,
    size: code.length,
    align: CODE_OFFSET,
  }).copy(file, HEADER_BYTES);
  programHeader({ type: 4, offset: noteAt, address: 0, size: note.length, align: 4 }).copy(
    file,
    HEADER_BYTES + PROGRAM_HEADER_BYTES,
  );
  note.copy(file, noteAt);
  code.copy(file, CODE_OFFSET);
  await writeFile(path, file);
}

function elfHeader(): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  // 64 bits, little-endian, an executable for x86-64.
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(LOAD_AT), 24);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  header.writeUInt16LE(HEADER_BYTES, 52);
  header.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  header.writeUInt16LE(2, 56);
  return header;
}

function programHeader(segment: {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
  readonly align: number;
}): Buffer {
  const header = Buffer.alloc(PROGRAM_HEADER_BYTES);
  const words = [segment.offset, segment.address, segment.address, segment.size, segment.size, segment.align];
  header.writeUInt32LE(segment.type, 0);
  header.writeUInt32LE(5, 4);
  for (const [index, word] of words.entries()) header.writeBigUInt64LE(BigInt(word), 8 + 8 * index);
  return header;
}
