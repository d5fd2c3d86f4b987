import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { unpackLegacyLz4 } from "../src/lz4-legacy.ts";

const header = Buffer.from([0x02, 0x21, 0x4c, 0x18]);

function frame(...blocks: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [header];
  for (const block of blocks) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}

test("literals and an overlapping match", () => {
  // "ab", then eight bytes from two back, then the literal "!".
  const block = Buffer.from([0x24, 0x61, 0x62, 0x02, 0x00, 0x10, 0x21]);
  assert.equal(unpackLegacyLz4(frame(block)).toString(), "ababababab!");
});

/** As a kernel's build does it: the unpacked size follows the last block. */
function withSize(packed: Buffer, unpackedSize: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(unpackedSize);
  return Buffer.concat([packed, size]);
}

const abc = frame(Buffer.from([0x30, 0x61, 0x62, 0x63]));

test("the unpacked size that a kernel's build appends is checked, not unpacked", () => {
  assert.equal(unpackLegacyLz4(withSize(abc, 3)).toString(), "abc");
  assert.throws(
    () => unpackLegacyLz4(withSize(abc, 4)),
    (error) => WrennError.is(error, "operation_failed"),
  );
});

test("what the lz4 tool packs comes back, over several blocks", (context) => {
  const data = Buffer.concat([Buffer.alloc(9 << 20, "wrenn "), randomBytes(70_000), Buffer.alloc(300)]);
  const packed = spawnSync("lz4", ["-l", "-c"], { input: data, maxBuffer: 1 << 26 });
  if (packed.error) return context.skip("lz4 is not installed");
  assert.ok(unpackLegacyLz4(packed.stdout).equals(data));
});

const damaged = {
  "an empty file": Buffer.alloc(0),
  "another magic": Buffer.from([0x04, 0x22, 0x4d, 0x18, 0, 0, 0, 0]),
  "literals past the end": frame(Buffer.from([0xf0, 0x10, 0x61])),
  "a match before the beginning": frame(Buffer.from([0x10, 0x61, 0x05, 0x00, 0x00])),
  "a match at distance zero": frame(Buffer.from([0x10, 0x61, 0x00, 0x00, 0x00])),
  "a truncated block": frame(Buffer.alloc(40)).subarray(0, 30),
  "a truncated block size": Buffer.concat([abc, Buffer.from([1, 0])]),
  "a length that never ends": frame(Buffer.from([0xf0, 0xff, 0xff])),
  "a match cut short": frame(Buffer.from([0x10, 0x61, 0x01])),
};
for (const [name, packed] of Object.entries(damaged)) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => unpackLegacyLz4(packed),
      (error) => WrennError.is(error, "operation_failed"),
    );
  });
}

test("any block either unpacks within its bound or is refused by name", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      try {
        assert.ok(unpackLegacyLz4(frame(Buffer.from(bytes))).length <= 8 << 20);
      } catch (error) {
        assert.ok(WrennError.is(error, "operation_failed"), String(error));
      }
    }),
  );
});
