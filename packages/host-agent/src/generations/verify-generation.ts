import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { writeFileAtomic } from "@wrenn/system";
import { describeDifference } from "@wrenn/vmm";
import type { Generation, GenerationFiles } from "./generation.ts";

/** What is read back before a resume; larger files were read back when they were written, and no resume waits for them. */
const RESUME_LIMIT = 64 << 20;

interface Checksum {
  readonly size: number;
  readonly crc32: number;
}

interface Checksums {
  readonly memoryDiff: Checksum;
  /** Of the compressed form, once there is one; then there is no plain file. */
  readonly memoryPacked?: Checksum;
  readonly deviceState: Checksum;
}

/** Reads a new generation back from disk and writes down what it is. */
export async function recordChecksums(files: GenerationFiles): Promise<void> {
  const checksums: Checksums = {
    memoryDiff: await checksumOf(files.memoryDiff),
    deviceState: await checksumOf(files.deviceState),
  };
  await writeFileAtomic(files.checksums, `${JSON.stringify(checksums)}\n`);
}

/** Whether the generation was read back, so that {@link verifyGeneration} has something to compare with. */
export async function isVerified(files: GenerationFiles): Promise<boolean> {
  return (await readChecksums(files)) !== undefined;
}

/** Writes down what the compressed memory of a generation is. */
export async function recordPackedChecksum(files: GenerationFiles): Promise<void> {
  const known = await readChecksums(files);
  const checksums = { ...known, memoryPacked: await checksumOf(files.memoryPacked) };
  await writeFileAtomic(files.checksums, `${JSON.stringify(checksums)}\n`);
}

/**
 * Refuses a generation that cannot be what it was when it was saved. A disk alone fits every hypervisor.
 *
 * @throws WrennError `snapshot_corrupt` naming the file, `snapshot_incompatible` when another VMM saved it.
 */
export async function verifyGeneration(
  generation: Generation,
  files: GenerationFiles,
  hypervisor: string,
): Promise<void> {
  const { contents } = await beginVerification(generation, files, hypervisor);
  await contents;
}

/** What {@link beginVerification} has begun. */
export interface Verification {
  /** Settles when the files have been read. Its rejection is handled also when nobody waits for it. */
  readonly contents: Promise<void>;
}

/**
 * The same in two parts: what is known without reading a file is checked before it returns, so that a generation of another VMM, or
 * with a file missing, is refused before anything starts. Nothing of the generation may be executed before `contents` resolves.
 *
 * @throws WrennError `snapshot_corrupt`, `snapshot_incompatible`; `contents` rejects with `snapshot_corrupt`.
 */
export async function beginVerification(
  generation: Generation,
  files: GenerationFiles,
  hypervisor: string,
): Promise<Verification> {
  if (generation.diskOnly) return { contents: Promise.resolve() };
  requireSameHypervisor(generation, hypervisor);
  const known = await readChecksums(files);
  const readable: { readonly path: string; readonly expected: Checksum }[] = [];
  for (const name of [generation.packed ? "memoryPacked" : "memoryDiff", "deviceState"] as const) {
    const path = files[name];
    const size = await sizeOf(path);
    const expected = known?.[name];
    if (expected === undefined) continue;
    if (size !== expected.size) throw corrupt(path, `it has ${size} bytes instead of ${expected.size}`);
    if (size <= RESUME_LIMIT) readable.push({ path, expected });
  }
  const contents = readBack(readable);
  contents.catch(() => {});
  return { contents };
}

/** @throws WrennError `snapshot_incompatible` when another VMM saved the generation than the host has now. */
export function requireSameHypervisor(generation: Generation, hypervisor: string): void {
  if (generation.hypervisor === hypervisor) return;
  throw new WrennError("snapshot_incompatible", {
    difference: describeDifference(generation.hypervisor, hypervisor),
  });
}

async function readBack(
  files: readonly { readonly path: string; readonly expected: Checksum }[],
): Promise<void> {
  for (const { path, expected } of files)
    if ((await checksumOf(path)).crc32 !== expected.crc32) throw corrupt(path, "its checksum is wrong");
}

async function readChecksums(files: GenerationFiles): Promise<Checksums | undefined> {
  try {
    return JSON.parse(await readFile(files.checksums, "utf8")) as Checksums;
  } catch {
    // Not written yet: the generation is younger than its verification.
    return undefined;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw corrupt(path, "it cannot be found", error);
  }
}

async function checksumOf(path: string): Promise<Checksum> {
  let size = 0;
  let sum = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    sum = crc32(chunk as Buffer, sum);
    size += (chunk as Buffer).length;
  }
  return { size, crc32: sum };
}

function corrupt(what: string, problem: string, cause?: unknown): WrennError {
  return new WrennError("snapshot_corrupt", { what, problem }, { cause });
}
