import { WrennError } from "@wrenn/core";

const MAGIC = 0x18_4c_21_02;
const BLOCK_SIZE = 8 << 20;
const MIN_MATCH = 4;

/**
 * Unpacks the LZ4 "legacy frame" that Linux kernels are packed with: a magic number, then blocks of at most 8 MiB, each
 * preceded by its packed size (LZ4 frame format, "Legacy frame"; LZ4 block format).
 *
 * @throws WrennError `operation_failed` for anything else.
 */
export function unpackLegacyLz4(packed: Buffer): Buffer {
  if (packed.length < 8 || packed.readUInt32LE(0) !== MAGIC) throw damaged("no LZ4 legacy frame");
  const blocks: Buffer[] = [];
  let total = 0;
  for (let at = 4; at < packed.length;) {
    if (packed.length - at < 4) throw damaged("bytes after the last block");
    const size = packed.readUInt32LE(at);
    at += 4;
    if (at === packed.length) {
      // A kernel's build appends the unpacked size (Linux, scripts/Makefile.lib, size_append).
      if (size !== total) throw damaged(`${total} bytes instead of ${size}`);
      break;
    }
    if (at + size > packed.length) throw damaged("a block runs past the end");
    const block = unpackBlock(packed.subarray(at, at + size));
    blocks.push(block);
    total += block.length;
    at += size;
  }
  return Buffer.concat(blocks);
}

function unpackBlock(block: Buffer): Buffer {
  const out = Buffer.allocUnsafe(BLOCK_SIZE);
  let from = 0;
  let to = 0;
  const next = (): number => {
    const byte = block[from++];
    if (byte === undefined) throw damaged("a block ends too early");
    return byte;
  };
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble === 15) {
      for (let more = 255; more === 255;) {
        more = next();
        total += more;
      }
    }
    return total;
  };
  while (from < block.length) {
    const token = next();
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > BLOCK_SIZE)
      throw damaged("literals run past the end");
    block.copy(out, to, from, from + literals);
    from += literals;
    to += literals;
    // The last sequence of a block has literals only.
    if (from >= block.length) break;
    const distance = next() | (next() << 8);
    const match = length(token & 15) + MIN_MATCH;
    if (distance === 0 || distance > to || to + match > BLOCK_SIZE)
      throw damaged("a match outside the block");
    if (distance >= match) out.copy(out, to, to - distance, to - distance + match);
    else for (let index = 0; index < match; index++) out[to + index] = out[to + index - distance] ?? 0;
    to += match;
  }
  return out.subarray(0, to);
}

function damaged(problem: string): WrennError {
  return new WrennError("operation_failed", { operation: "unpacking the kernel", problem });
}
