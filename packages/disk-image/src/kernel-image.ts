import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { problemOf, WrennError } from "@wrenn/core";
import { unpackLegacyLz4 } from "./lz4-legacy.ts";

const MAX_KERNEL_BYTES = 512 * 2 ** 20;

/**
 * The ELF kernel inside a bzImage: setup_sects, payload_offset and payload_length of the boot header say where its packed
 * form lies (Linux, Documentation/arch/x86/boot.rst). Unpacking once saves every cold boot the kernel's own unpacking.
 *
 * @throws WrennError `operation_failed` when it is not a kernel or packed in a way we do not know.
 */
export function extractKernel(image: Buffer): Buffer {
  if (image.length < 0x250 || image.toString("latin1", 0x202, 0x206) !== "HdrS")
    throw unknown("no boot header");
  const setupSectors = image.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  const length = image.readUInt32LE(0x24c);
  if (start + length > image.length) throw unknown("its payload runs past the end");
  const kernel = unpack(image.subarray(start, start + length));
  if (kernel.toString("latin1", 0, 4) !== "\u007fELF") throw unknown("its payload is not an ELF file");
  return kernel;
}

function unpack(payload: Buffer): Buffer {
  if (payload.length < 4) throw unknown("its payload is empty");
  const magic = payload.readUInt32LE(0);
  if (magic === 0x18_4c_21_02) return unpackLegacyLz4(payload);
  try {
    if ((magic & 0xff_ff) === 0x8b_1f) return gunzipSync(payload, { maxOutputLength: MAX_KERNEL_BYTES });
    if (magic === 0xfd_2f_b5_28) return zstdDecompressSync(payload, { maxOutputLength: MAX_KERNEL_BYTES });
  } catch (error) {
    throw unknown(`its payload cannot be unpacked: ${problemOf(error)}`);
  }
  throw unknown(`unknown packing 0x${magic.toString(16)}`);
}

function unknown(problem: string): WrennError {
  return new WrennError("operation_failed", { operation: "reading the kernel image", problem });
}
