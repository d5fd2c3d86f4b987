import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { systemRandom, WrennError } from "@wrenn/core";
import { decodeDiffIndex, decodeHeader, encodeDiffIndex, encodeHeader, pageSize } from "@wrenn/memory-image";

const [id, base] = [systemRandom.uuid(), systemRandom.uuid()];
const memorySize = 10 * pageSize;
const header = encodeHeader({
  id,
  base,
  parent: base,
  position: 1,
  memorySize,
  mapping: [
    { offset: 0, length: 4 * pageSize, source: base, sourceOffset: 0 },
    { offset: 4 * pageSize, length: 2 * pageSize, source: id, sourceOffset: pageSize },
    { offset: 6 * pageSize, length: 4 * pageSize, source: base, sourceOffset: 6 * pageSize },
  ],
  checksums: new Uint32Array([7]),
});
const indexEnd = 48 + 5 * 8;
const index = encodeDiffIndex({ memorySize, pages: [1, 2, 7], zeros: [0, 9] }).subarray(0, indexEnd);

/** Small numbers, page-aligned ones and huge ones are what fields of these files are made of. */
const word = fc.oneof(
  fc.nat(12),
  fc.nat(12).map((page) => page * pageSize),
  fc.constantFrom(0xff, 0xffff_ffff, 0x8000_0000),
);
const change = fc.record({ at: fc.nat(300), value: word, wide: fc.boolean() });
const damage = fc.record({ changes: fc.array(change, { minLength: 1, maxLength: 4 }), cut: fc.nat(3) });
type Damage = typeof damage extends fc.Arbitrary<infer Value> ? Value : never;

/** `bytes` with some fields changed and a checksum that fits again: what an attacker would write. */
function forged(bytes: Buffer, { changes, cut }: Damage, crcAt: number): Buffer {
  const copy = Buffer.from(bytes.subarray(0, bytes.length - (cut === 3 ? 8 : 0)));
  for (const { at, value, wide } of changes) {
    const position = at % (copy.length - 8);
    if (wide) copy.writeUInt32LE(value, position - (position % 4));
    else copy.writeUInt8(value & 0xff, position);
  }
  copy.writeUInt32LE(0, crcAt);
  copy.writeUInt32LE(crc32(copy), crcAt);
  return copy;
}

/** @returns undefined when the file was refused as damaged; any other error fails the test. */
function unlessRefused<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    assert.ok(WrennError.is(error, "snapshot_corrupt"), String(error));
    return undefined;
  }
}

test("a forged header is refused, or means one thing only and stays inside of the memory", () => {
  fc.assert(
    fc.property(damage, (how) => {
      const decoded = unlessRefused(() => decodeHeader(forged(header, how, 92), "test"));
      if (decoded === undefined) return;
      assert.deepEqual(decodeHeader(encodeHeader(decoded), "test"), decoded);
      const covered = decoded.mapping.reduce((sum, extent) => sum + extent.length, 0);
      assert.equal(covered, decoded.memorySize);
    }),
    { numRuns: 20_000 },
  );
});

test("a forged diff is refused, or lists each page once and none beyond the memory", () => {
  fc.assert(
    fc.property(damage, (how) => {
      const decoded = unlessRefused(() => decodeDiffIndex(forged(index, how, 40), "test"));
      if (decoded === undefined) return;
      assert.deepEqual(decodeDiffIndex(encodeDiffIndex(decoded), "test"), decoded);
      const pages = [...decoded.pages, ...decoded.zeros];
      assert.equal(new Set(pages).size, pages.length);
      assert.ok(pages.every((page) => page < decoded.memorySize / pageSize));
    }),
    { numRuns: 20_000 },
  );
});
