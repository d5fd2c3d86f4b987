import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { extractKernel } from "../src/kernel-image.ts";

const elf = Buffer.concat([Buffer.from("\u007fELF", "latin1"), Buffer.alloc(500, "kernel")]);

/** A bzImage with the fields of the boot header that matter here. */
function bzImage(payload: Buffer, setupSectors = 3, payloadOffset = 64): Buffer {
  const protectedMode = ((setupSectors || 4) + 1) * 512;
  const image = Buffer.alloc(protectedMode + payloadOffset + payload.length + 16);
  image.writeUInt8(setupSectors, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x2_0f, 0x206);
  image.writeUInt32LE(payloadOffset, 0x248);
  image.writeUInt32LE(payload.length, 0x24c);
  payload.copy(image, protectedMode + payloadOffset);
  return image;
}

/** One LZ4 block of literals in a legacy frame, with the size that a kernel's build appends. */
function storeLz4(data: Buffer): Buffer {
  const rest = data.length - 15;
  const block = Buffer.concat([
    Buffer.from([0xf0, ...Array.from({ length: Math.floor(rest / 255) }, () => 255), rest % 255]),
    data,
  ]);
  const packed = Buffer.alloc(8 + block.length + 4);
  packed.writeUInt32LE(0x18_4c_21_02, 0);
  packed.writeUInt32LE(block.length, 4);
  block.copy(packed, 8);
  packed.writeUInt32LE(data.length, 8 + block.length);
  return packed;
}

/** A kernel's build appends the unpacked size to zstd too; gzip has it by itself. */
function packZstd(data: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  return Buffer.concat([zstdCompressSync(data), size]);
}

const packings = { lz4: storeLz4, gzip: gzipSync, zstd: packZstd };
for (const [name, pack] of Object.entries(packings)) {
  test(`a kernel packed with ${name}`, () => {
    assert.ok(extractKernel(bzImage(pack(elf))).equals(elf));
  });
}

test("no setup sectors means four", () => {
  assert.ok(extractKernel(bzImage(gzipSync(elf), 0)).equals(elf));
});

const refused = {
  "an empty file": Buffer.alloc(0),
  "a file without boot header": Buffer.alloc(4096),
  "a truncated image": bzImage(gzipSync(elf)).subarray(0, 2140),
  "a truncated payload": bzImage(gzipSync(elf).subarray(0, 20)),
  "an empty payload": bzImage(Buffer.alloc(0)),
  "an unknown packing": bzImage(Buffer.from("BZh91AY&SY")),
  "a payload that is not ELF": bzImage(gzipSync(Buffer.from("#!/bin/sh"))),
};
for (const [name, image] of Object.entries(refused)) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => extractKernel(image),
      (error) => WrennError.is(error, "operation_failed"),
    );
  });
}

test("whatever the header says, reading stays inside the image", () => {
  fc.assert(
    fc.property(fc.nat(0xff_ff_ff_ff), fc.nat(0xff_ff_ff_ff), fc.nat(255), (offset, length, sectors) => {
      const image = bzImage(gzipSync(elf));
      image.writeUInt32LE(offset, 0x248);
      image.writeUInt32LE(length, 0x24c);
      image.writeUInt8(sectors, 0x1f1);
      try {
        extractKernel(image);
      } catch (error) {
        assert.ok(WrennError.is(error, "operation_failed"), String(error));
      }
    }),
  );
});
